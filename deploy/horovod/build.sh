#!/usr/bin/env bash
# build.sh PYTHON: installs Horovod (Gloo, TensorFlow; no MPI, no GPU) into the environment of PYTHON. The wheel is built
# once and kept in a cache outside the checkout, under the versions that it was built from and for.
set -euo pipefail

python=$(realpath --no-symlinks "$1")
here=$(cd "$(dirname "$0")" && pwd)
cache=${RECSYS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}}/recsys-spark/horovod

# Everything that decides what the compiled library is: versions, interpreter, machine, and the recipe itself.
cache_key() {
    local recipe
    recipe=$(cat "$here/build.sh" "$here/patch_source.py" "$here/requirements.txt" | sha256sum | cut -c 1-8)
    "$python" - "$recipe" <<'PY'
import importlib.metadata, platform, sys
versions = f"horovod-0.28.1_tensorflow-{importlib.metadata.version('tensorflow-cpu')}"
libc = "".join(platform.libc_ver())
print(f"{versions}_python-{sys.version_info[0]}.{sys.version_info[1]}_{platform.machine()}_{libc}_{sys.argv[1]}")
PY
}

build() {
    local work=$1
    # --require-hashes: pip checks the archive before it runs the setup.py inside.
    "$python" -m pip download --disable-pip-version-check --no-deps --no-binary :all: --no-build-isolation \
        --require-hashes --requirement "$here/requirements.txt" --dest "$work/sdist"
    "$python" -m tarfile --extract "$work"/sdist/horovod-0.28.1.tar.gz "$work"
    "$python" "$here/patch_source.py" "$work/horovod-0.28.1"
    # cmake and ninja come from the environment, which is not activated. The policy version lets CMake 4 read the
    # CMake files of Horovod's third-party folders.
    PATH=$(dirname "$python"):$PATH CMAKE_POLICY_VERSION_MINIMUM=3.5 \
        HOROVOD_WITH_TENSORFLOW=1 HOROVOD_WITH_GLOO=1 \
        HOROVOD_WITHOUT_MPI=1 HOROVOD_WITHOUT_PYTORCH=1 HOROVOD_WITHOUT_MXNET=1 \
        "$python" -m pip wheel --disable-pip-version-check --no-deps --no-build-isolation \
        --wheel-dir "$work/wheel" "$work/horovod-0.28.1"
}

# Built aside and moved in one step: a killed build leaves no half wheel behind.
keep() {
    mkdir -p "$cache"
    mv -T "$1" "$2" 2>/dev/null || [[ -d $2 ]] # someone else was faster
}

folder=$cache/$(cache_key)
if [[ ! -d $folder ]]; then
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/building.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    build "$work"
    keep "$work/wheel" "$folder"
fi
"$python" -m pip install --disable-pip-version-check --no-deps --force-reinstall "$folder"/horovod-*.whl
"$python" -m pip check
"$(dirname "$python")/horovodrun" --check-build
