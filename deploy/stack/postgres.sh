#!/bin/sh
# PostgreSQL without a container: what the image does before it serves, for rakuten stack up --local.
# PGDATA, PGPORT and POSTGRES_INIT say where; POSTGRES_USER and POSTGRES_PASSWORD who.
set -eu

die() {
    echo "error: $1" >&2
    exit 1
}

# PostgreSQL refuses to run as root: root becomes postgres, who gets the folder.
if [ "$(id -u)" = 0 ]; then
    id postgres > /dev/null 2>&1 || die "PostgreSQL does not run as root, and there is no user postgres"
    # postgres may not be able to read these.
    self=$(cat "$0")
    POSTGRES_SCRIPT=$(cat "$POSTGRES_INIT")
    mkdir -p "$PGDATA"
    chown postgres "${PGDATA%/*}" "$PGDATA"
    # With the new user the kernel forgets to end it with its parent, and is told again.
    become="setpriv --reuid postgres --regid postgres --init-groups --pdeathsig INT"
    $become test -w "$PGDATA" || die "user postgres cannot reach $PGDATA: choose another --folder, below /var/tmp for example"
    cd "$PGDATA"
    export POSTGRES_SCRIPT
    exec $become sh -c "$self"
fi
: "${POSTGRES_SCRIPT:=$(cat "$POSTGRES_INIT")}"

if [ ! -s "$PGDATA/cluster/PG_VERSION" ]; then
    # A cluster that was half made is made again.
    new=$PGDATA/new
    rm -rf "$new"
    umask 077
    mkdir -p "$new"
    printf '%s\n' "$POSTGRES_PASSWORD" > "$new.password"
    initdb -D "$new/cluster" -U "$POSTGRES_USER" --pwfile "$new.password" -A scram-sha-256 \
        -E UTF8 --locale C.UTF-8 > /dev/null
    rm "$new.password"
    socket=$(mktemp -d) # on no port: nobody else connects before the databases are there
    pg_ctl -D "$new/cluster" -w -s -o "-c port=$PGPORT -c listen_addresses='' -c unix_socket_directories=$socket" start
    PGHOST=$socket PGPASSWORD=$POSTGRES_PASSWORD sh -c "$POSTGRES_SCRIPT"
    pg_ctl -D "$new/cluster" -w -s -m fast stop
    rm -rf "$socket"
    mv "$new/cluster" "$PGDATA/cluster"
fi
exec postgres -D "$PGDATA/cluster" -c port="$PGPORT" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories=
