#!/bin/sh
# A small S3-compatible store: rclone serves a folder, and a bucket is a folder in it.
set -eu

die() {
    echo "error: $1" >&2
    exit 1
}

# One key pair, and never none: without it rclone would let everybody in.
[ -n "${AWS_ACCESS_KEY_ID:-}" ] || die "AWS_ACCESS_KEY_ID must be set: choose the key of the store"
[ -n "${AWS_SECRET_ACCESS_KEY:-}" ] || die "AWS_SECRET_ACCESS_KEY must be set: choose the secret of the store"
case "$AWS_ACCESS_KEY_ID$AWS_SECRET_ACCESS_KEY" in
*[!A-Za-z0-9+/=._~-]*) die "keys of the store may hold letters, digits and + / = . _ ~ - only" ;;
esac

case "${MLFLOW_ARTIFACTS_DESTINATION:-}" in
s3://?*) bucket=${MLFLOW_ARTIFACTS_DESTINATION#s3://} ;;
*) die "MLFLOW_ARTIFACTS_DESTINATION must be s3://bucket/prefix: the store makes that bucket" ;;
esac
mkdir -p "${S3_FOLDER:-/data}/${bucket%%/*}"

# In the environment, not on the command line, where every user of the machine could read it.
export RCLONE_AUTH_KEY="\"$AWS_ACCESS_KEY_ID,$AWS_SECRET_ACCESS_KEY\""
exec rclone serve s3 --addr "${S3_ADDRESS:-:9000}" --config /dev/null --no-cleanup "${S3_FOLDER:-/data}"
