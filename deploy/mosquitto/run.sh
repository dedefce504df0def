#!/bin/sh
# Runs Mosquitto and makes it read its access files again when they change: accounts, access list, certificate.
#   run.sh [CONFIGURATION]        PDM_ACCESS_DIR: folder of passwd, acl, server.crt, server.key
# Signals are passed on; the exit code is Mosquitto's. Needs a POSIX shell, cksum and sleep.
set -u
conf=${1:-/mosquitto/config/mosquitto.conf}
access=${PDM_ACCESS_DIR:-/run/secrets}
PATH=$PATH:/usr/sbin
broker=''

sums() {
    cksum "$access/passwd" "$access/acl" "$access/server.crt" "$access/server.key" 2>/dev/null
}

# Asked once a second: a bind mount passes on no notice of a file that was replaced.
watch() {
    seen=$1
    while sleep 1; do
        # a file that is missing for a moment must not become a broker without users
        now=$(sums) || continue
        [ "$now" = "$seen" ] && continue
        kill -HUP "$broker" 2>/dev/null || return
        seen=$now
    done
}

pass_on() {
    [ -z "$broker" ] || kill -"$1" "$broker" 2>/dev/null
}

trap 'pass_on TERM' TERM INT
trap 'pass_on HUP' HUP
# taken before Mosquitto reads the files, so that a change meanwhile is not missed
before=$(sums)
mosquitto -c "$conf" &
broker=$!
watch "$before" &
watcher=$!

# a signal ends `wait` early; Mosquitto itself has ended only when it can no longer be signalled
while :; do
    wait "$broker"
    code=$?
    kill -0 "$broker" 2>/dev/null || break
done
kill "$watcher" 2>/dev/null
exit "$code"
