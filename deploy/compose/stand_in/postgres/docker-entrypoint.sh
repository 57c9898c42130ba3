#!/bin/bash
# The part of the official image's entry that a new database needs: a folder made and owned, a
# role, a database, passwords asked for on every network; then the command.
set -euo pipefail

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chown -R postgres "$PGDATA"
    exec setpriv --reuid postgres --regid postgres --clear-groups "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    : "${POSTGRES_PASSWORD:?must be set}"
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA"
    user=${POSTGRES_USER:-postgres}
    initdb --pgdata "$PGDATA" --username "$user" --pwfile <(echo "$POSTGRES_PASSWORD") \
        ${POSTGRES_INITDB_ARGS:-}
    printf '\nhost all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
    if [ "${POSTGRES_DB:-$user}" != postgres ]; then
        printf 'CREATE DATABASE "%s";\n\n' "${POSTGRES_DB:-$user}" |
            postgres --single -j -D "$PGDATA" postgres
    fi
fi
exec "$@"
