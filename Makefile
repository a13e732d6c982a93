# make setup      create the environment, .venv
# make demo       run the pipeline on handwritten digits, with a small ViT from scratch
# make test       run the tests (ALL=1: and those of test-jobs, as continuous integration does)
# make test-jobs  run the tests that start many processes
# make coverage   run the tests of `make test` and measure branch coverage (a third slower)
# make check      check formatting, lint, types and layers
# make format     format the code
# make lock       update the requirements*.lock from pyproject.toml
# make image      build the container image (VARIANT=cuda, TARGET=worker, IMAGE=name, DOCKER=podman)
# make flink-job-server  download the job server for tests/end_to_end/test_flink.py to .cache/flink
#                        (BEAM=version)

PYTHON ?= python3.11
UV_VERSION := 0.13.9
IMAGE ?= vit-pipeline
DOCKER ?= docker
VARIANT ?= cpu
TARGET ?= pipeline
# These tests are slow: each step of a compiled job, each worker of a training and each edited copy of
# the project is a process that imports TensorFlow, and an image has hundreds of packages.
JOB_TESTS := tests/compiled tests/image/test_install.py tests/trainer/test_processes.py \
    tests/end_to_end/test_installed.py tests/end_to_end/test_cache.py
# tests/conftest.py starts the slowest files first; without this flag, xdist would reorder them.
PYTEST := .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
export UV_PYTHON_DOWNLOADS := never

OTHER_TESTS := $(addprefix --ignore ,$(JOB_TESTS))

.PHONY: setup demo test test-jobs coverage check format lock image flink-job-server clean

setup: .venv/.ready

# Without bytecode, TFX takes a minute to import, and some environments forbid Python to write
# bytecode. So it is compiled once, here.
.venv/.ready: requirements.lock requirements-dev.lock pyproject.toml setup.py | .uv/bin/uv
	.uv/bin/uv venv --quiet --allow-existing --python $(PYTHON) .venv
	.uv/bin/uv pip sync --quiet --python .venv --require-hashes --compile-bytecode \
	    requirements.lock requirements-dev.lock
	.uv/bin/uv pip install --quiet --python .venv --no-deps --no-build-isolation --editable .
	@touch $@

# uv gets an environment of its own, because the Python of Debian and Ubuntu refuses system-wide pip.
.uv/bin/uv:
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) not found; TFX 1.21 needs \
	Python 3.11 (apt install python3.11, or PYTHON=/path/to/python3.11)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { echo "make: \
	$(PYTHON) is not Python 3.11, which TFX 1.21 needs (PYTHON=/path/to/python3.11)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "make: $(PYTHON) has no venv \
	module (apt install python3.11-venv)" >&2; exit 1; }
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

demo: setup
	.venv/bin/python pipeline_runner.py --model vit_mini_fe --dataset digits

# With ALL=1, slow tests of both kinds run side by side, and each worker loads the tests once.
test: setup
	$(PYTEST) $(if $(ALL),,$(OTHER_TESTS))

test-jobs: setup
	$(PYTEST) $(JOB_TESTS)

coverage: setup
	$(PYTEST) --cov --cov-branch --cov-report=term:skip-covered $(OTHER_TESTS)

check: setup
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format: setup
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

# The locks have hashes, but no addresses of packages. uv.lock has addresses, and is not in git.
lock: .uv/bin/uv
	.uv/bin/uv lock --upgrade
	.uv/bin/uv export --quiet --frozen --only-group run --output-file requirements.lock
	.uv/bin/uv export --quiet --frozen --only-group dev --output-file requirements-dev.lock
	.uv/bin/uv export --quiet --frozen --only-group cuda --output-file requirements-cuda.lock

image:
	@$(DOCKER) info >/dev/null 2>&1 || { echo "make: $(DOCKER) cannot build here (DOCKER=podman or \
	DOCKER=buildah need no daemon); image/install.sh has the steps that build the image" >&2; exit 1; }
	$(DOCKER) build --target $(TARGET) --build-arg VARIANT=$(VARIANT) --tag $(IMAGE) .

flink-job-server: setup
	@command -v mvn >/dev/null && command -v java >/dev/null || { echo "make: Maven and Java not found \
	(apt install maven)" >&2; exit 1; }
	.venv/bin/python tests/end_to_end/flink_job_server.py .cache/flink $(BEAM)

clean:
	rm -rf .venv .uv .cache build *.egg-info .pytest_cache .mypy_cache .ruff_cache .coverage
