#!/usr/bin/env bash
# step.sh TITLE LOG COMMAND...: runs a long, wordy command with its output in LOG; tells the title, a sign of life every
# 30 seconds, the elapsed time, and the last lines of the log where the command fails.
set -euo pipefail

title=$1 log=$2
shift 2
mkdir -p "$(dirname "$log")"
echo "$title …"

"$@" >"$log" 2>&1 &
work=$!
trap 'kill "$work" 2>/dev/null || true' INT TERM

next=30
while kill -0 "$work" 2>/dev/null; do
    sleep 0.2
    if ((SECONDS >= next)); then
        echo "    still at it after $SECONDS s: $(tail -n 1 "$log" | cut -c 1-100)"
        next=$((next + 30))
    fi
done

if wait "$work"; then
    echo "    done in $SECONDS s"
else
    code=$?
    tail -n 30 "$log" >&2
    echo "error: the step '$title' failed with exit code $code; its whole output is in $log" >&2
    exit "$code"
fi
