#!/bin/sh
# Make the secrets that .env does not have yet, and Alertmanager's file. Nothing is shown.
set -eu
umask 077
env_file=${1:-.env}
. "${0%/*}/../env.sh"

secret() {
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

[ -f "$env_file" ] || cp .env.example "$env_file"
chmod 600 "$env_file"
[ -z "$(tail -c 1 "$env_file")" ] || echo >> "$env_file"
for name in $(required docker-compose.yml docker-compose.mlflow.yml); do
    [ -z "$(value "$name")" ] || continue
    printf '%s=%s\n' "$name" "$(secret)" >> "$env_file"
    echo "made $name in $env_file"
done

project=$(value RAKUTEN_PROJECT)
folder=${project:-.}/.rakuten/stack/secrets
if [ ! -s "$folder/rakuten_webhook_token" ]; then
    mkdir -p "$folder"
    secret > "$folder/rakuten_webhook_token"
    # Containers read it as other users; the folder keeps users of this machine out.
    chmod 444 "$folder/rakuten_webhook_token"
    echo "made $folder/rakuten_webhook_token"
fi
