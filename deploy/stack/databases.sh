#!/bin/sh
# A database and an owner for each service; only the owner may connect to it.
# The postgres image runs this once, when its folder is empty; deploy/stack/postgres.sh does too.
set -eu

make_database() {
    # The password goes through the environment: command lines are for everybody to read.
    ROLE=$1 ROLE_PASSWORD=$2 psql -v ON_ERROR_STOP=1 --no-psqlrc --quiet \
        --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv role ROLE
\getenv password ROLE_PASSWORD
CREATE ROLE :"role" LOGIN PASSWORD :'password';
CREATE DATABASE :"role" OWNER :"role";
REVOKE CONNECT ON DATABASE :"role" FROM PUBLIC;
SQL
}

make_database mlflow "$MLFLOW_POSTGRES_PASSWORD"
make_database prefect "$PREFECT_POSTGRES_PASSWORD"
make_database rakuten "$RAKUTEN_POSTGRES_PASSWORD"
