#!/usr/bin/env bash
# Installs the content of the image. The Dockerfile runs this script, and tests/image/test_install.py
# runs it without Docker, so that the tests find what would break the image.
#
#   image/install.sh dependencies DIRECTORY [cpu|cuda]   the locked packages: DIRECTORY/environment
#   image/install.sh project DIRECTORY                   the project itself: DIRECTORY/project
#
# The two steps make two layers of the image, so that new code is a small layer. Set $UV to the path
# of uv, if it is not on the PATH.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=${UV:-uv}
step=${1:?dependencies or project}
directory=${2:?a directory}
variant=${3:-cpu}
environment=$directory/environment

export UV_PYTHON_DOWNLOADS=never
# Without bytecode, TFX takes a minute to import, and the user of the image cannot write bytecode. The
# files of an image do not change, so the bytecode is used without a check against its source, whose
# modification time may be lost.
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
    # The project is in a directory, and a layer, of its own; this file adds it to Python's path.
    echo "$directory/project" >"$environment/lib/python3.11/site-packages/project.pth"
else
    "$uv" pip install --quiet --python "$environment" --target "$directory/project" \
        --no-deps --no-build-isolation .
fi
