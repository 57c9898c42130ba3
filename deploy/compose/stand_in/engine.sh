#!/bin/sh
# A container engine and `docker compose` on a bare Debian, as root: engine.sh install|start|stop.
# The engine keeps everything in TTG_ENGINE_DIR and listens on a socket there, so it meets no other.
# `. engine.env` of that folder points a shell at it. Needs `make setup`, as long as no Go is there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../../.." && pwd)
folder=${TTG_ENGINE_DIR:-/var/lib/ttg-engine}
plugin=$folder/config/cli-plugins/docker-compose

fail() {
    echo "engine: $*" >&2
    exit 1
}

install_engine() {
    mkdir -p "$folder/config/cli-plugins"
    if ! command -v dockerd >/dev/null; then
        apt-get update -qq
        # It is started below, by hand and with a folder of its own.
        RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
            apt-get install -qq --no-install-recommends docker.io iptables debootstrap
    fi
    command -v debootstrap >/dev/null || apt-get install -qq --no-install-recommends debootstrap
    if [ ! -x "$plugin" ]; then build_plugin; fi
    cat >"$folder/engine.env" <<END
export DOCKER_HOST=unix://$folder/engine.sock DOCKER_CONFIG=$folder/config
END
}

# Debian 12 packs only the first generation of Compose, which does not read these files.
build_plugin() {
    go=$(command -v go || "$repository/.venv/bin/python" "$here/artefacts.py" go)
    version=$(sed -n 's/^\tgithub.com\/docker\/compose\/v2 \(v[^ ]*\).*/\1/p' "$here/plugin/go.mod")
    cd "$here/plugin"
    CGO_ENABLED=0 GOFLAGS='-buildvcs=false -mod=readonly' "$go" build -trimpath \
        -gcflags all=-dwarf=false \
        -ldflags "-s -w -X github.com/docker/compose/v2/internal.Version=$version" \
        -o "$plugin" github.com/docker/compose/v2/cmd
}

answers() {
    docker --host "unix://$folder/engine.sock" info >/dev/null 2>&1
}

start() {
    if answers; then return; fi
    # vfs needs nothing of the kernel or the file system below; it copies where others share.
    setsid dockerd --storage-driver=vfs --data-root="$folder/data" --exec-root="$folder/exec" \
        --pidfile="$folder/engine.pid" --host="unix://$folder/engine.sock" \
        >>"$folder/engine.log" 2>&1 </dev/null &
    for _ in $(seq 120); do
        if answers; then return; fi
        sleep 0.5
    done
    tail -n 5 "$folder/engine.log" >&2
    fail "the engine does not answer; all of its log is $folder/engine.log"
}

stop() {
    pid=$(cat "$folder/engine.pid" 2>/dev/null) || return 0
    kill "$pid" 2>/dev/null || return 0
    for _ in $(seq 120); do
        if ! kill -0 "$pid" 2>/dev/null; then return; fi
        sleep 0.5
    done
    fail "the engine, process $pid, does not end"
}

case "${1:-}" in
install) install_engine ;;
start) start ;;
stop) stop ;;
*) fail "say install, start or stop" ;;
esac
