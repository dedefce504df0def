#!/bin/sh
# Writes a backup of the whole stack into a new folder below `backups`, or below the folder given. `make backup`.
#
# While it runs, bridge, inference, Dagster's code server and daemon stand still and the broker keeps what arrives: so all
# that a device was told is safe lies in the store's part or in the broker's part of the backup.
# A backup has its final name only once it is complete and checked. It holds every secret of the stack: keep it like them.
set -eu
umask 077
cd "$(dirname "$0")/.."
. deploy/lib.sh
need_docker

[ "$#" -le 1 ] || fail "usage: deploy/backup.sh [FOLDER]"
name="pdm-$(date -u +%Y%m%dT%H%M%SZ)"
root=${1:-backups}
mkdir -p "$root"
root=$(cd "$root" && pwd)
into="$root/.incoming-$name"
frozen='simulators bridge inference dagster-code dagster-daemon grafana'
running=$(compose ps --services --status running)
for service in influxdb postgres mosquitto; do
    say "$running" | grep -qx "$service" || fail "$service does not run, and a backup needs it." "\`make up\` starts the stack."
done
freeze=$(for service in $frozen; do say "$running" | grep -x "$service" || true; done)

finish() {
    code=$?
    trap - EXIT
    # shellcheck disable=SC2086  # a list
    [ -z "$freeze" ] || compose unpause $freeze >/dev/null 2>&1 || true
    compose exec -T influxdb rm -rf /var/lib/influxdb2/backup >/dev/null 2>&1 || true
    rm -rf "$into"
    [ "$code" -eq 0 ] || say "No backup was made." >&2
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP
mkdir "$into"

say "freezing what writes ..."
# shellcheck disable=SC2086
[ -z "$freeze" ] || compose pause $freeze >/dev/null 2>&1

say "store ..."
compose exec -T influxdb sh -c 'rm -rf /var/lib/influxdb2/backup &&
    INFLUX_TOKEN=$(cat /run/secrets/operator-token) influx backup --host http://127.0.0.1:8086 /var/lib/influxdb2/backup' >"$into/influxdb.log"
compose exec -T influxdb tar -C /var/lib/influxdb2 -cf - backup >"$into/influxdb.tar"
say "runs of Dagster ..."
compose exec -T postgres sh -c 'PGPASSWORD=$(cat /run/secrets/password) pg_dump -h 127.0.0.1 -U dagster -d dagster -Fc' >"$into/postgres.dump"
say "the broker's messages ..."
# SIGUSR1 has it write them to disk now; it replaces the file in one step
compose exec -T mosquitto sh -c 'cd /mosquitto/data && touch asked && sleep 1 &&
    for process in /proc/[0-9]*; do
        [ "$(cat "$process/comm" 2>/dev/null)" != mosquitto ] || kill -USR1 "${process#/proc/}"
    done
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
        # a copy, which stays as it is while the broker saves on
        [ -z "$(find mosquitto.db -newer asked 2>/dev/null)" ] || { cp -p mosquitto.db saved.db && rm asked && exit 0; }
        sleep 1
    done
    echo "the broker did not write its messages within 30 s" >&2
    exit 1'
say "models, lake, quarantine, secrets ..."
compose run --rm --no-deps -T files sh -c 'cd /data && tar --numeric-owner --exclude "mosquitto/mosquitto.db*" -czf - -- * &&
    rm mosquitto/saved.db' >"$into/volumes.tar.gz"
compose run --rm --no-deps -T files sh -c 'cd /secrets && exec tar --numeric-owner -czf - .' >"$into/secrets.tar.gz"
# shellcheck disable=SC2086
[ -z "$freeze" ] || compose unpause $freeze >/dev/null 2>&1
freeze=''

say "checking ..."
compose exec -T postgres pg_restore --list <"$into/postgres.dump" >/dev/null
tar -tf "$into/influxdb.tar" | grep -q '\.manifest$' || fail "the store's part has no manifest"
for part in volumes secrets; do gzip -t "$into/$part.tar.gz"; done
{
    say "made $(date -u +%Y-%m-%dT%H:%M:%SZ) of project $(project)"
    compose images --format json | tr '}' '\n' | sed -n 's/.*"Repository":"\([^"]*\)","Tag":"\([^"]*\)".*/image \1:\2/p' | sort -u
} >"$into/ABOUT"
(cd "$into" && sums ABOUT influxdb.log influxdb.tar postgres.dump secrets.tar.gz volumes.tar.gz >SHA256SUMS && sums -c SHA256SUMS >/dev/null)
sync
mv "$into" "$root/$name"
say "" "backup   $root/$name ($(du -sh "$root/$name" | cut -f1)); it holds every secret of the stack" \
    "restore  make restore FROM=$root/$name"
