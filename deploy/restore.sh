#!/bin/sh
# Puts a backup into an empty stack: `make restore FROM=backups/pdm-…`; then `make up`.
# REPLACE=1 removes what the stack holds first.
set -eu
umask 077
cd "$(dirname "$0")/.."
. deploy/lib.sh
need_docker

[ "$#" -eq 1 ] || fail "usage: deploy/restore.sh FOLDER" "\`make backup\` makes such a folder."
[ -f "$1/SHA256SUMS" ] || fail "$1 is no backup: it has no SHA256SUMS."
from=$(cd "$1" && pwd)
say "checking $from ..."
(cd "$from" && sums -c SHA256SUMS >/dev/null) || fail "The backup is damaged: see \`cd $from && sha256sum -c SHA256SUMS\`. Nothing was changed."

# before anything is removed: a machine that cannot build it keeps what it has
say "building the image ..."
compose build --quiet setup
project=$(project)
kept=$(volumes "$project")
if [ -n "$kept" ]; then
    [ -n "${REPLACE:-}" ] ||
        fail "The stack '$project' is not empty: it has the volumes $(printf '%s' "$kept" | tr '\n' ' ')" \
            "REPLACE=1 removes its data and its secrets first; a backup beforehand is wise."
    say "removing what the stack '$project' holds ..."
    compose down --volumes --timeout 30
fi
finish() {
    code=$?
    trap - EXIT
    [ "$code" -eq 0 ] || say "The restore is not complete. Mend what the messages say, then run it again with REPLACE=1." >&2
    exit "$code"
}
trap finish EXIT

say "secrets, models, lake, quarantine, the broker's messages ..."
if [ -z "${REPLACE:-}" ]; then
    left=$(compose run --rm --no-deps -T files sh -c 'find /secrets -type f ! -name .lock | head -n 1')
    [ -z "$left" ] || fail "There are secrets of another stack in $(setting PDM_SECRETS_DIR ./deploy/secrets)." "REPLACE=1 removes them; or move the folder away."
fi
compose run --rm --no-deps -T files sh -c 'find /secrets -mindepth 1 -delete && exec tar --numeric-owner -C /secrets -xzpf -' <"$from/secrets.tar.gz"
compose run --rm --no-deps -T files sh -c 'tar --numeric-owner -C /data -xzpf - && mv /data/mosquitto/saved.db /data/mosquitto/mosquitto.db' \
    <"$from/volumes.tar.gz"
say "store ..."
compose up --detach --no-deps --wait influxdb postgres
compose exec -T influxdb tar -C /var/lib/influxdb2 -xf - <"$from/influxdb.tar"
# only a server that is set up can be restored to; what this makes is replaced with all that the backup holds
compose exec -T influxdb sh -c 'set -e
    INFLUX_TOKEN=$(cat /run/secrets/operator-token)
    influx setup --host http://127.0.0.1:8086 --force --name restore --username restore --org restore --bucket restore \
        --configs-path /tmp/influx-configs --password="$(cat /run/secrets/admin-password)" --token="$INFLUX_TOKEN" >/dev/null
    export INFLUX_TOKEN
    influx restore --host http://127.0.0.1:8086 --full /var/lib/influxdb2/backup >/dev/null
    rm -rf /var/lib/influxdb2/backup'
say "runs of Dagster ..."
compose exec -T postgres sh -c 'PGPASSWORD=$(cat /run/secrets/password) pg_restore -h 127.0.0.1 -U dagster -d dagster --no-owner --exit-on-error' <"$from/postgres.dump"
compose down
say "" "Restored from $from. \`make up\` starts it."
