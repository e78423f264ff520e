#!/bin/sh
# What the whole stack needs before Docker is asked: the values, the project's owner, its folders.
set -eu
env_file=${1:-.env}
. "${0%/*}/../env.sh"
sh "${0%/*}/../mlflow/check.sh" "docker-compose.yml docker-compose.mlflow.yml" "$env_file" \
    "make stack-secrets makes one" STACK_PROFILES

project=$(value RAKUTEN_PROJECT)
project=${project:-.}
user=$(value RAKUTEN_UID)
user=${user:-1000}
owner=$(stat -c %u "$project" 2> /dev/null || stat -f %u "$project")
[ "$owner" = "$user" ] \
    || die "$project belongs to user $owner and the roles run as user $user; set RAKUTEN_UID=$owner and RAKUTEN_GID in $env_file, or give it to user $user where $owner is root"
[ "$user" != 0 ] || die "RAKUTEN_UID is root; give $project to another user"
[ -s "$project/.rakuten/stack/secrets/rakuten_webhook_token" ] \
    || die "Alertmanager's token is missing; make stack-secrets makes it"
