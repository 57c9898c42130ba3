#!/bin/sh
# Proves the composed stack on a bare Debian, as root, in one go: an engine, stand-ins for the
# official images where these cannot be pulled, `make up` as a user types it, one request followed
# to its waterfall and its row, what the engine says of the containers, and the end-to-end tests
# with a composed stack under them. `prove.sh -k load` chooses tests.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../../.."
export TTG_ENGINE_DIR="${TTG_ENGINE_DIR:-/var/lib/ttg-engine}"
export TTG_STATE_DIR="$TTG_ENGINE_DIR/state"
unset MODE

fail() {
    echo "prove: $*" >&2
    exit 1
}

step() { printf '\n== %s: %s\n' "$(date +%T)" "$*"; }

end() {
    make clean || true
    "$here/engine.sh" stop
}

# until_true <seconds> <command>...
until_true() {
    left=$1
    shift
    until "$@"; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 1
    done
}

is_whole() { make trace ID="$id" 2>/dev/null | grep -q 'process events.decorated'; }
is_stored() { curl -fsS "$GLASS_URL/v1/events?name=room.temperature" | grep -q "$id"; }

step 'what a bare Debian lacks'
if ! { command -v make && command -v curl && python3 -c 'import ensurepip'; } >/dev/null 2>&1; then
    apt-get update -qq
    apt-get install -qq --no-install-recommends make curl python3-venv ca-certificates
fi
make setup

step 'an engine'
"$here/engine.sh" install
"$here/engine.sh" start
trap end EXIT
trap 'exit 1' INT TERM HUP
. "$TTG_ENGINE_DIR/engine.env"
docker version --format 'engine {{.Server.Version}}'
docker compose version

step 'stand-ins for the official images'
for name in python kafka jaeger postgres; do
    docker images --format '{{.Repository}}' | grep -q "$name" || "$here/images.sh" "$name"
done

# Without a name of its own, by the letters of which all are alike.
nameless() { docker volume ls --quiet | grep -cE '^[0-9a-f]{64}$' || true; }

step 'make up'
nameless_before=$(nameless)
make up
[ "$(cat "$TTG_STATE_DIR/mode")" = compose ] || fail "make up did not choose Compose"
compose="docker compose --env-file $TTG_STATE_DIR/config/compose.env"
$compose config --quiet

step 'one request'
# In a shell of its own: what is exported here must not reach the tests.
(
    . "$TTG_STATE_DIR/env"
    answer=$(curl -fsS "$INGEST_URL/v1/events" -H "Api-Key: $API_KEY" \
        -H 'Content-Type: application/json' -d '{"name": "room.temperature", "value": 21.5}')
    id=$(expr "$answer" : '.*"trace_id":"\([0-9a-f]*\)"')
    until_true 30 is_whole || fail "the waterfall of $id is not whole"
    until_true 30 is_stored || fail "no row of $id"
    make trace ID="$id"
    curl -fsS "$GLASS_URL/v1/events?name=room.temperature"
)

step 'what the engine says'
make ps
docker images time-to-glass
image=$(sed -n "s/^TTG_IMAGE='\(.*\)'/\1/p" "$TTG_STATE_DIR/config/compose.env")
docker history --format '{{.Size}}\t{{.CreatedBy}}' "$image"
# shellcheck disable=SC2046  (one word for each container)
docker inspect --format \
    '{{.Name}} {{.Config.User}} ro={{.HostConfig.ReadonlyRootfs}} drop={{.HostConfig.CapDrop}}' \
    $($compose ps --quiet)
$compose exec -T sink sh -c 'id; grep Cap /proc/self/status; ! touch /app/x'
docker stats --no-stream --format '{{.Name}} {{.MemUsage}} {{.CPUPerc}}'

step 'make down'
make down
if docker ps --all --quiet | grep -q .; then fail "containers are left after make down"; fi
[ "$(nameless)" = "$nameless_before" ] || fail "volumes without a name are left after make down"

step 'the tests'
# Those that reach for native mode itself skip, and say why.
MODE=compose .venv/bin/pytest -v tests/tidy/test_compose.py tests/e2e "$@"
