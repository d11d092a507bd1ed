#!/usr/bin/env bash
# make_venv.sh PYTHON VENV: a virtual environment with this project and everything that constraints.txt pins.
set -euo pipefail

python=$1 venv=$2
cd "$(dirname "$0")/../.."

"$python" -m venv "$venv"
pinned() {
    "$venv/bin/python" -m pip install --disable-pip-version-check --constraint constraints.txt "$@"
}
# pip builds packages in an environment that no constraint reaches, so the pinned build tools come first and are used.
pinned --upgrade pip setuptools wheel
pinned --no-build-isolation --editable '.[spark,train,demo,dev]' --requirement deploy/horovod/build-tools.txt
"$venv/bin/python" -m pip check
