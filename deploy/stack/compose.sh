#!/bin/sh
# Docker Compose on the whole stack, with the profiles of STACK_PROFILES (docs/stack.md).
set -eu
env_file=.env
. "${0%/*}/../env.sh"
sh "${0%/*}/check.sh" "$env_file"
COMPOSE_PROFILES=$(value STACK_PROFILES)
: "${COMPOSE_PROFILES:=$(sed -n 's/^x-profiles: .*:-\(.*\)}$/\1/p' docker-compose.yml)}"
export COMPOSE_PROFILES
exec docker compose --file docker-compose.yml --env-file "$env_file" "$@"
