#!/bin/sh
# Build, scan or push the image of every role: images.sh build|scan|push PREFIX VERSION.
set -eu
action=$1 prefix=$2 version=$3
scanner=aquasec/trivy:0.73.0@sha256:7cced7cae583819fc7806d4cbc0dbbc7cad18b99f7d3e235192e6da8c091045c

for role in api flows pipeline; do
    image=$prefix/$role:$version
    case "$action" in
    build) docker build --pull --target "$role" --tag "$image" . ;;
    # What has no mended version yet stops nobody.
    scan)
        docker run --rm --volume /var/run/docker.sock:/var/run/docker.sock:ro "$scanner" image \
            --scanners vuln,secret --severity HIGH,CRITICAL --ignore-unfixed --exit-code 1 \
            --no-progress "$image"
        ;;
    push) docker push "$image" ;;
    *)
        echo "error: $action is none of build, scan, push" >&2
        exit 2
        ;;
    esac
done
