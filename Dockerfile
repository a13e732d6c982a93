# The image of the pipeline's nodes. A compiled pipeline sets the command and its arguments.
#
#   docker build --tag vit-pipeline .                                 for CPUs
#   docker build --tag vit-pipeline:cuda --build-arg VARIANT=cuda .   with NVIDIA's libraries
#   docker build --tag vit-pipeline:worker --target worker .          for the workers of Beam's engines
#
# NVIDIA's libraries are in requirements-cuda.lock, in the versions that TensorFlow requires. So the
# base image is the same, and the machine needs only a driver and NVIDIA's container toolkit.

ARG BASE=docker.io/library/python:3.11-slim-bookworm
ARG BEAM_VERSION=2.77.0

FROM ${BASE} AS dependencies
ARG UV_VERSION=0.13.9
RUN pip install --no-cache-dir --disable-pip-version-check uv==${UV_VERSION}
WORKDIR /source
COPY image/install.sh image/
COPY requirements.lock requirements-cuda.lock ./
ARG VARIANT=cpu
RUN UV_NO_CACHE=1 image/install.sh dependencies /opt/vit ${VARIANT}

FROM dependencies AS project
COPY . .
RUN UV_NO_CACHE=1 image/install.sh project /opt/vit

FROM ${BASE} AS installed
COPY --from=dependencies /opt/vit/environment /opt/vit/environment
COPY --from=project /opt/vit/project /opt/vit/project
ENV PATH=/opt/vit/environment/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TF_ENABLE_ONEDNN_OPTS=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

# Beam starts the containers of workers with `boot`. Dataflow mounts directories that only root can
# write, so this image runs as root. `boot` must use this environment: an environment that `boot`
# creates would lack the project. `boot` checks with `python -m pip` whether Beam is installed, so
# the pip of the base image is made visible in this environment.
FROM docker.io/apache/beam_python3.11_sdk:${BEAM_VERSION} AS beam
FROM installed AS worker
COPY --from=beam /opt/apache/beam /opt/apache/beam
ENV RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1
RUN sed -i 's/^include-system-site-packages.*/include-system-site-packages = true/' /opt/vit/environment/pyvenv.cfg
ENTRYPOINT ["/opt/apache/beam/boot"]

FROM installed AS pipeline
# The directory of downloaded weights. On Kubernetes, machines.<node>.disk_gb limits the size of /tmp.
ENV VIT_HOME=/tmp/vit-pipeline
RUN useradd --uid 1000 --create-home vit
# The user is given by number, so that Kubernetes can check that it is not root.
USER 1000
WORKDIR /home/vit
ENTRYPOINT ["python", "-m", "pipeline_runner"]
CMD ["--help"]
