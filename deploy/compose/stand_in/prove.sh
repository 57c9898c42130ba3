#!/bin/sh
# Proves the composed stack on a bare Debian, as root: an engine, stand-ins for the official images
# where these cannot be pulled, `make up` as a user types it, and the end-to-end tests.
# Needs make, Python and a Go; `prove.sh -k load` chooses tests.
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

end() {
    make clean || true
    "$here/engine.sh" stop
}

make setup
"$here/engine.sh" install
"$here/engine.sh" start
trap end EXIT
. "$TTG_ENGINE_DIR/engine.env"
for name in python kafka jaeger postgres; do
    docker images --format '{{.Repository}}' | grep -q "$name" || "$here/images.sh" "$name"
done

make up
[ "$(cat "$TTG_STATE_DIR/mode")" = compose ] || fail "make up did not choose Compose"
docker compose --env-file "$TTG_STATE_DIR/config/compose.env" config --quiet
. "$TTG_STATE_DIR/env"
answer=$(curl -fsS "$INGEST_URL/v1/events" -H "Api-Key: $API_KEY" \
    -H 'Content-Type: application/json' -d '{"name": "room.temperature", "value": 21.5}')
id=$(expr "$answer" : '.*"trace_id":"\([0-9a-f]*\)"')
sleep 3
make trace ID="$id" | grep -q 'process events.decorated' || fail "the waterfall of $id is not whole"
curl -fsS "$GLASS_URL/v1/events?name=room.temperature" | grep -q "$id" || fail "no row of $id"
make ps
docker images
make down
docker ps --all --quiet | grep -q . && fail "containers are left after make down"

MODE=compose .venv/bin/pytest -q tests/tidy/test_compose.py tests/e2e/test_compose.py tests/e2e/test_waterfall.py \
    tests/e2e/test_load.py "$@"
