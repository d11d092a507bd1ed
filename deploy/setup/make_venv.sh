#!/usr/bin/env bash
# make_venv.sh PYTHON VENV: a virtual environment with this project and all that constraints.txt pins. What the index
# hands out has the hashes of the lock files (lock.sh writes them), or pip refuses it.
set -euo pipefail

python=$1 venv=$2
cd "$(dirname "$0")/../.."

"$python" -m venv "$venv"
install() {
    "$venv/bin/python" -m pip install --disable-pip-version-check "$@"
}
# pip builds packages in an environment that no hash reaches, so the pinned build tools come first and are used.
install --require-hashes --requirement deploy/setup/pip.lock
install --require-hashes --no-build-isolation --requirement deploy/setup/requirements.lock
install --no-deps --no-build-isolation --editable .
"$venv/bin/python" -m pip check
