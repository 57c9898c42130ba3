#!/bin/sh
# Makes .venv from requirements.lock. Needs a Python of 3.11 or newer and nothing else: uv is taken
# from PATH, or installed into the cache. It does nothing if nothing has changed.
set -eu
cd "$(dirname "$0")/.."

uv_version=0.13.9
stamp=.venv/.set-up
cache_folder='import os; from tools.native.settings import cache_dir; print(cache_dir(os.environ))'

fail() {
    echo "setup: $*" >&2
    exit 1
}

# In another folder, or under another Python, the programs of a .venv do not run.
made_for() {
    echo "$(pwd) $("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)"
}

what_it_holds() {
    made_for .venv/bin/python
    cat requirements.lock pyproject.toml
}

is_current() {
    what_it_holds 2>/dev/null | cmp -s - "$stamp" 2>/dev/null
}

find_python() {
    for candidate in "${PYTHON:-python3}" python3 python3.14 python3.13 python3.12 python3.11 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            python=$(command -v "$candidate")
            return
        fi
    done
    fail "no Python of 3.11 or newer is on PATH; install one, or name it: make setup PYTHON=/path/to/python3"
}

find_uv() {
    if uv --version >/dev/null 2>&1; then
        uv=$(command -v uv)
        # In an active .venv this is the link made below, and it goes when .venv is made again.
        if [ "$uv" -ef .venv/bin/uv ]; then uv=$(readlink .venv/bin/uv); fi
        return
    fi
    cache=$(PYTHONPATH=. "$python" -B -c "$cache_folder" 2>/dev/null) ||
        fail "there is no home folder for the cache; set TTG_CACHE_DIR to a folder that can be written"
    uv=$cache/uv-$uv_version/bin/uv
    if [ ! -x "$uv" ]; then install_uv "$cache" "$cache/uv-$uv_version"; fi
}

# Into a virtual environment, or, on a Python without ensurepip, a folder that only pip has to know.
install_uv() {
    echo "Installing uv $uv_version into $2 (once)" >&2
    mkdir -p "$1" 2>/dev/null || fail "$1 cannot be written; set TTG_CACHE_DIR to a folder that can"
    own=$2
    unfinished=$own.$$
    trap 'rm -rf "$unfinished"' EXIT
    if "$python" -m venv "$unfinished" >/dev/null 2>&1; then
        set -- "$unfinished/bin/python" -m pip install
    elif "$python" -m pip --version >/dev/null 2>&1; then
        rm -rf "$unfinished"
        set -- "$python" -m pip install --target "$unfinished"
    else
        fail "this Python has neither venv nor pip, so uv cannot be installed; install uv, or your system's python3-venv or python3-pip"
    fi
    if [ ! -t 2 ]; then set -- "$@" --quiet; fi
    "$@" --no-deps --disable-pip-version-check --require-hashes -r deploy/native/uv.lock >&2 ||
        fail "uv could not be installed; check that the Python package index can be reached"
    rm -rf "$own"
    mv "$unfinished" "$own"
}

make_venv() {
    echo "Setting up .venv (once for each change of requirements.lock)" >&2
    have=$(made_for .venv/bin/python)
    if [ "$have" != "$(made_for "$python")" ] || [ "$have" != "$(head -n 1 "$stamp" 2>/dev/null)" ]; then
        rm -rf .venv
        "$uv" venv --quiet --python "$python" .venv || fail ".venv could not be made in $(pwd)"
    fi
    made_for .venv/bin/python >"$stamp"
    remedy="check that the Python package index can be reached, then run make setup again"
    # Progress for who watches it, silence for a log.
    if [ -t 2 ]; then set --; else set -- --quiet; fi
    "$uv" pip sync "$@" --python .venv/bin/python --require-hashes requirements.lock || fail "$remedy"
    "$uv" pip install "$@" --python .venv/bin/python --no-deps --no-build-isolation --editable . || fail "$remedy"
    what_it_holds >"$stamp"
}

if is_current && [ -x .venv/bin/uv ]; then exit 0; fi
find_python
find_uv
if ! is_current; then make_venv; fi
# `ttg` fetches wheels with the same uv, wherever it is.
ln -sf "$uv" .venv/bin/uv
