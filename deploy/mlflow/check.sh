#!/bin/sh
# What the stack needs before Docker is asked: Docker with compose, .env, the required values.
set -eu
compose=${1:-docker-compose.mlflow.yml}
env_file=${2:-.env}

die() {
    echo "error: $1" >&2
    exit 1
}

command -v docker > /dev/null || die "docker is not on the PATH; install Docker Engine or Docker Desktop"
docker compose version > /dev/null 2>&1 \
    || die "docker has no compose command; install the Docker Compose plugin, 2.20 or newer"
[ -f "$env_file" ] || die "there is no $env_file; run: cp .env.example $env_file"

# The value of a variable: the shell wins over the file, and the last line of the file counts.
value() {
    eval "found=\${$1:-}"
    if [ -z "$found" ]; then
        found=$(sed -n "s/^\(export \)\{0,1\}$1=//p" "$env_file" | sed -n '$p')
    fi
    case "$found" in
    "''" | '""' | [[:space:]]* | "#"*) found= ;;
    esac
    printf '%s' "$found"
}

require() {
    [ -n "$(value "$1")" ] || die "$1 has no value in $env_file; $2"
}

# Required is what the compose file says with \${NAME:?…}.
for name in $(sed -n 's/.*\${\([A-Z0-9_]*\):?.*/\1/p' "$compose" | sort -u); do
    require "$name" "docs/tracking-server.md has a command that makes one"
done
case ",$(value COMPOSE_PROFILES)," in
*,s3,*)
    for name in AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY MLFLOW_ARTIFACTS_DESTINATION \
        MLFLOW_SERVER_S3_ENDPOINT_URL; do
        require "$name" "COMPOSE_PROFILES=s3 needs it: docs/tracking-server.md shows the lines"
    done
    ;;
esac
