#!/usr/bin/env bash
# Installs what the image holds. The Dockerfile runs this, and so does tests/image/test_install.py:
# what breaks the image breaks the tests, where there is no Docker as well.
#
#   image/install.sh dependencies DIRECTORY [cpu|cuda]   the locked packages: DIRECTORY/environment
#   image/install.sh project DIRECTORY                   the project's own: DIRECTORY/project
#
# Two steps make two layers, so that new code is a small one. $UV names uv, if it is not on the PATH.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=${UV:-uv}
step=${1:?dependencies or project}
directory=${2:?a directory}
variant=${3:-cpu}
environment=$directory/environment

export UV_PYTHON_DOWNLOADS=never
# TFX takes a minute to import without bytecode, and who runs the image cannot write any. What is in
# an image does not change: the bytecode need not look at its source, whose time may be lost.
export UV_COMPILE_BYTECODE=${UV_COMPILE_BYTECODE:-1} PYC_INVALIDATION_MODE=UNCHECKED_HASH

case $step-$variant in
dependencies-cpu) locks=(requirements.lock) ;;
dependencies-cuda) locks=(requirements.lock requirements-cuda.lock) ;;
project-cpu) ;;
*)
    echo "image/install.sh: found '$*'; expected dependencies DIRECTORY [cpu|cuda], or" \
        "project DIRECTORY" >&2
    exit 2
    ;;
esac

if [[ $step == dependencies ]]; then
    "$uv" venv --quiet --python "${PYTHON:-python3.11}" "$environment"
    "$uv" pip sync --quiet --python "$environment" --require-hashes "${locks[@]}"
    # The project lies beside the environment, in a layer of its own, and is found from it.
    echo "$directory/project" >"$environment/lib/python3.11/site-packages/project.pth"
else
    "$uv" pip install --quiet --python "$environment" --target "$directory/project" \
        --no-deps --no-build-isolation .
fi
