#!/usr/bin/env bash
# lock.sh: write the hashes of all packages that constraints.txt pins. Needs uv (pip install uv) and the package index.
set -euo pipefail

cd "$(dirname "$0")/../.."
command -v uv > /dev/null || { echo "uv is missing; install it with: pip install uv" >&2; exit 1; }

lock() {
    uv pip compile --quiet --python-version 3.11 --constraint constraints.txt --generate-hashes --no-annotate \
        --no-header --allow-unsafe "$@"
}
lock --output-file deploy/setup/pip.lock - <<< $'pip\nsetuptools\nwheel'
lock --output-file deploy/setup/requirements.lock setup.py deploy/horovod/build-tools.txt \
    --extra spark --extra train --extra demo --extra dev
