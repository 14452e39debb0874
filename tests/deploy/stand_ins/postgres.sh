#!/bin/sh
# Of the official image's entry point, what compose.yaml asks for: a database at the first start, with the password from a file.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    mkdir -p -m 0700 "$PGDATA"
    # The arguments are several words, as the official image takes them.
    # shellcheck disable=SC2086
    initdb --pgdata="$PGDATA" --username=postgres --pwfile="$POSTGRES_PASSWORD_FILE" $POSTGRES_INITDB_ARGS
    echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
fi
exec "$@" -c listen_addresses='*' -c unix_socket_directories=/var/run/postgresql
