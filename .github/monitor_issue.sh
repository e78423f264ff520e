#!/bin/sh
# One issue for the daily check: opened when people are needed, brought up to date while it is open.
# Argument: the summary that `make monitor-check` wrote. Needs gh with a token in GH_TOKEN.
set -eu
summary=$1
label=monitoring
decision=$(sed -n '1s/^<!-- decision: \([a-z]*\) -->$/\1/p' "$summary")
case "$decision" in
alert | retrain) ;;
nothing | watch)
    echo "decision: $decision; nobody has to be told"
    exit 0
    ;;
*)
    echo "error: $summary does not begin with a decision" >&2
    exit 1
    ;;
esac

# An error here ends the script: a list that could not be read is not an empty one.
number=$(gh issue list --label "$label" --state open --limit 1 --json number --jq '.[].number')
title="Monitoring: $decision"
if [ -n "$number" ]; then
    gh issue edit "$number" --title "$title" --body-file "$summary"
    echo "issue $number is up to date"
else
    gh label create "$label" --force --color B60205 --description "What the daily check of live traffic found"
    gh issue create --title "$title" --body-file "$summary" --label "$label"
fi
