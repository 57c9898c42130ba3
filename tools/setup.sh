#!/bin/sh
# Makes .venv from requirements.lock. Needs a Python of 3.11 or newer and nothing else: uv is taken
# from PATH, or installed into the cache. It does nothing if nothing has changed.
set -eu
cd "$(dirname "$0")/.."

uv_version=0.13.9
stamp=.venv/.set-up
cache=${TTG_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ttg}

fail() {
    echo "setup: $*" >&2
    exit 1
}

if [ -f "$stamp" ] && cmp -s requirements.lock "$stamp" && [ ! pyproject.toml -nt "$stamp" ]; then
    exit 0
fi

python=
for candidate in "${PYTHON:-python3}" python3 python3.14 python3.13 python3.12 python3.11 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$(command -v "$candidate")
        break
    fi
done
[ -n "$python" ] || fail "no Python of 3.11 or newer is on PATH; install one, or name it: make setup PYTHON=/path/to/python3"

# uv on PATH if it works, else one of our own: in a virtual environment, or, on a Python without
# ensurepip, in a folder that only pip has to know.
own=$cache/uv-$uv_version
if uv --version >/dev/null 2>&1; then
    uv=uv
else
    uv=$own/bin/uv
fi
if [ "$uv" != uv ] && [ ! -x "$uv" ]; then
    echo "Installing uv $uv_version into $own (once)" >&2
    mkdir -p "$cache" 2>/dev/null || fail "$cache cannot be written; set TTG_CACHE_DIR to a folder that can"
    unfinished=$own.$$
    trap 'rm -rf "$unfinished"' EXIT
    if "$python" -m venv "$unfinished" >/dev/null 2>&1; then
        pip="$unfinished/bin/python -m pip install"
    elif "$python" -m pip --version >/dev/null 2>&1; then
        rm -rf "$unfinished"
        pip="$python -m pip install --target $unfinished"
    else
        fail "this Python has neither venv nor pip, so uv cannot be installed; install uv, or your system's python3-venv or python3-pip"
    fi
    # shellcheck disable=SC2086
    $pip --quiet --no-deps --disable-pip-version-check --require-hashes -r deploy/native/uv.lock ||
        fail "uv could not be installed; check that the Python package index can be reached"
    rm -rf "$own"
    mv "$unfinished" "$own"
fi

echo "Setting up .venv (once for each change of requirements.lock)" >&2
wanted=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
have=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true)
if [ "$have" != "$wanted" ]; then
    rm -rf .venv
    "$uv" venv --quiet --python "$python" .venv || fail ".venv could not be made in $(pwd)"
fi
remedy="check that the Python package index can be reached, then run make setup again"
"$uv" pip sync --quiet --python .venv/bin/python --require-hashes requirements.lock || fail "$remedy"
"$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable . || fail "$remedy"
cp requirements.lock "$stamp"
