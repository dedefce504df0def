# shellcheck shell=sh
# What up.sh, backup.sh and restore.sh share. Sourced, in the repository's root.

say() { printf '%s\n' "$@"; }

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# Says what is missing, instead of failing at the first command that needs it.
need_docker() {
    command -v docker >/dev/null 2>&1 ||
        fail "docker is missing." "Install Docker Engine with its Compose plugin: https://docs.docker.com/engine/install/" \
            "Without it, \`make dev\` runs the platform on its embedded broker and store."
    docker compose version >/dev/null 2>&1 ||
        fail "Docker is here, but its plugin Compose 2 is not: \`docker compose version\` fails." \
            "Install it: https://docs.docker.com/compose/install/linux/"
    docker info >/dev/null 2>&1 ||
        fail "The Docker engine does not answer: \`docker info\` fails." \
            "Is it running, and may you use it? On Linux: \`sudo systemctl start docker\`, and be in the group \`docker\`."
}

# Every profile: what runs under one would be left out otherwise.
compose() { docker compose --profile demo --profile tools "$@"; }

# The value of a variable as Compose sees it, from the environment or from .env; else what is given.
setting() {
    found=$(compose config --environment 2>/dev/null | sed -n "s/^$1=//p" | tail -n 1)
    say "${found:-$2}"
}

project() { compose config --format json | sed -n 's/^  "name": "\(.*\)",\{0,1\}$/\1/p' | head -n 1; }

volumes() { docker volume ls --quiet --filter "label=com.docker.compose.project=$1"; }

sums() { if command -v sha256sum >/dev/null 2>&1; then sha256sum "$@"; else shasum -a 256 "$@"; fi; }
