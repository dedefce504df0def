#!/bin/sh
# Runs Mosquitto. Once a second makes it read its access files again where they changed (accounts, access list,
# certificate), and save what it has acknowledged where that takes no time.
#   run.sh [CONFIGURATION]        PDM_ACCESS_DIR: folder of passwd, acl, server.crt, server.key
# Signals are passed on; the exit code is Mosquitto's. Needs a POSIX shell, cksum, find, grep, sed and sleep.
set -u
conf=${1:-/mosquitto/config/mosquitto.conf}
access=${PDM_ACCESS_DIR:-/run/secrets}
PATH=$PATH:/usr/sbin
broker=''
saved=$(sed -n 's/^persistence_location *//p' "$conf" 2>/dev/null)mosquitto.db
# A save of a file of 16 MiB, about 36,000 waiting messages, stops Mosquitto for 0.05 s. A longer queue is saved by
# autosave_interval only: a save a second of all 800,000 would leave it no time for anything else.
longest_blocks=32768

sums() {
    cksum "$access/passwd" "$access/acl" "$access/server.crt" "$access/server.key" 2>/dev/null
}

# Asked once a second: a bind mount passes on no notice of a file that was replaced.
watch() {
    seen=$1
    while sleep 1; do
        save
        # a file that is missing for a moment must not become a broker without users
        now=$(sums) || continue
        [ "$now" = "$seen" ] && continue
        kill -HUP "$broker" 2>/dev/null || return
        seen=$now
    done
}

# Not before Mosquitto listens to the signal (bit 9 of those it catches): until then it would end by it.
save() {
    [ -z "$(find "$saved" -size "+$longest_blocks" 2>/dev/null)" ] || return 0
    grep -q '^SigCgt:.*[2367abef]..$' "/proc/$broker/status" 2>/dev/null && kill -USR1 "$broker" 2>/dev/null
    return 0
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
