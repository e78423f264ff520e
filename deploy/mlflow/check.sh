#!/bin/sh
# What a stack needs before Docker is asked: Docker with compose, .env, the required values.
# Arguments: compose files in one word, .env, what makes a missing value, the variable of profiles.
set -eu
compose=${1:-docker-compose.mlflow.yml}
env_file=${2:-.env}
advice=${3:-docs/tracking-server.md has a command that makes one}
profiles=${4:-COMPOSE_PROFILES}
. "${0%/*}/../env.sh"

require() {
    [ -n "$(value "$1")" ] || die "$1 has no value in $env_file; $2"
}

command -v docker > /dev/null || die "docker is not on the PATH; install Docker Engine or Docker Desktop"
docker compose version > /dev/null 2>&1 \
    || die "docker has no compose command; install the Docker Compose plugin, 2.20 or newer"
[ -f "$env_file" ] || die "there is no $env_file; run: cp .env.example $env_file"

for name in $(required $compose); do
    require "$name" "$advice"
done
case ",$(value "$profiles")," in
*,s3,*)
    for name in AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY MLFLOW_ARTIFACTS_DESTINATION \
        MLFLOW_SERVER_S3_ENDPOINT_URL; do
        require "$name" "$profiles with s3 needs it: docs/tracking-server.md shows the lines"
    done
    ;;
esac
