#!/bin/sh
# Exit code 0 when the broker lets a user in and tells its uptime within three seconds.
#   healthy.sh [PORT]        PDM_ACCESS_DIR: folder of `health`, the password of pdm-health
set -eu
access=${PDM_ACCESS_DIR:-/run/secrets}
exec mosquitto_sub -h 127.0.0.1 -p "${1:-1883}" -u pdm-health -P "$(cat "$access/health")" \
    -t '$SYS/broker/uptime' -C 1 -W 3 >/dev/null
