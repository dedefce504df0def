#!/bin/sh
# Starts the stack and waits until all of it is healthy. `make up`; DEMO=1 adds simulated pumps.
set -eu
cd "$(dirname "$0")/.."
. deploy/lib.sh
need_docker

wait_s=${PDM_UP_TIMEOUT_S:-300}
# the folder `operator` of the secrets is for whoever types this
PDM_OPERATOR_UID=$(setting PDM_OPERATOR_UID "${SUDO_UID:-$(id -u)}")
export PDM_OPERATOR_UID
profile=''
[ -z "${DEMO:-}" ] || profile='--profile demo'
# a backup that was killed may have left some frozen
compose unpause >/dev/null 2>&1 || true

started=$(date +%s)
# shellcheck disable=SC2086  # no profile is no argument
if ! docker compose $profile up --build --detach --wait --wait-timeout "$wait_s"; then
    say "" "Not everything became healthy. As it is now:"
    compose ps --all --format 'table {{.Service}}\t{{.Status}}'
    for service in $(compose ps --all --format '{{.Service}} {{.State}} {{.ExitCode}} {{.Health}}' |
        awk '$4 == "unhealthy" || $2 == "restarting" || ($2 == "exited" && $3 != 0) {print $1}'); do
        say "" "The end of the log of $service:"
        compose logs --no-log-prefix --tail 15 "$service" || true
    done
    exit 1
fi

# Grafana reads its token when it starts; the others read theirs anew by themselves
if compose logs --no-log-prefix --since "$started" store-init 2>/dev/null | grep -q '^changed *token *grafana/'; then
    say "" "Grafana has a new token of the store: it starts again ..."
    compose restart grafana && compose up --detach --no-deps --wait grafana
fi

address() { docker compose port "$1" "$2" 2>/dev/null | head -n 1; }
secrets=$(setting PDM_SECRETS_DIR ./deploy/secrets)
say "" \
    "All services are healthy after $(($(date +%s) - started)) s." "" \
    "  Grafana      http://$(address grafana 3000)    user admin" \
    "  Dagster      http://$(address dagster-webserver 3000)    no login; start the job retrain there: no model serves before" \
    "  reports      http://$(address reports 3002)    linked from Dagster and Grafana" \
    "  MQTT         $(address mosquitto 8883)    TLS; each device with its own account" "" \
    "  credentials  $secrets/operator/: grafana-admin-password, mqtt-password of the user pdm-operator, ca.crt for devices" \
    "  a device     docker compose run --rm devices add ID" \
    "  stop         make down: the data stays" ""
