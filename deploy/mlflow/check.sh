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

# Required is what the compose file says with \${NAME:?…}; the shell wins over the file.
required=$(sed -n 's/.*\${\([A-Z0-9_]*\):?.*/\1/p' "$compose" | sort -u)
for name in $required; do
    eval "value=\${$name:-}"
    [ -n "$value" ] && continue
    grep -Eq "^(export )?$name=[\"']?[^\"'[:space:]#]" "$env_file" \
        || die "$name has no value in $env_file; docs/tracking-server.md has a command that makes one"
done
