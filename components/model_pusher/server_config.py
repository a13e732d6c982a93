"""Writes configuration files for TensorFlow Serving into a serving directory.

Existing files are never overwritten, because users may have edited them.
"""

import re

from tfx.dsl.io import fileio

from common.files import read_bytes, write_whole

MODELS = "models.config"
BATCHING = "batching.config"

# The file models.config contains a ModelServerConfig in text format
# (tensorflow_serving/config/model_server_config.proto).
_MODELS = """\
# For tensorflow_model_server --model_config_file. Written once; your changes stay.
model_config_list {{
  config {{
    # The name in requests: /v1/models/{name}:predict, and model_spec.name in gRPC.
    name: "{name}"
    # The directory of the versions, where the server sees it.
    base_path: "{base_path}"
    model_platform: "tensorflow"
    # Serve the version with the greatest number. A new version is loaded before the old one is
    # unloaded, so both need memory for a while. To serve two versions side by side, write
    # specific {{ versions: 1763884800 versions: 1763971200 }} instead of latest, and give labels:
    # version_labels {{ key: "stable" value: 1763884800 }}
    # version_labels {{ key: "canary" value: 1763971200 }}
    model_version_policy {{ latest {{ num_versions: 1 }} }}
  }}
}}
"""

# The file batching.config contains BatchingParameters in text format
# (tensorflow_serving/servables/tensorflow/session_bundle_config.proto). The batching
# parameters follow "Performance Tuning" in tensorflow_serving/batching/README.md.
_BATCHING = """\
# For tensorflow_model_server --enable_batching --batching_parameters_file. Written once; your
# changes stay.

# Images in one batch; a larger request is refused. The warm-up requests of each version have up to
# serve.max_batch images: with a smaller number here, a version with larger ones fails to load.
max_batch_size {{ value: {max_batch} }}
# Microseconds for which an idle thread waits for more images. 0 costs a single request nothing, and
# under load batches fill while the threads are busy. With a GPU, try 1000 to 10000.
batch_timeout_micros {{ value: 0 }}
# Batches that are computed at the same time: the number of CPU cores of the server.
num_batch_threads {{ value: 4 }}
# Batches that wait for a thread. Further requests are refused (HTTP 503), so that a client can try
# another server. For online requests, use the number of threads; for bulk work, a larger number.
max_enqueued_batches {{ value: 4 }}
"""


def write_server_config(base_directory: str, *, name: str, max_batch: int) -> None:
    """Writes the configuration files that do not exist yet.

    Args:
      base_directory: the serving directory. The server's container must mount a serving directory
        on a disk as /models/NAME (see docs/serving.md).
      name: the name of the model.
      max_batch: the number of images in the largest batch.
    """
    base_path = base_directory if "://" in base_directory else f"/models/{name}"
    texts = {
        MODELS: _MODELS.format(name=name, base_path=base_path),
        BATCHING: _BATCHING.format(max_batch=max_batch),
    }
    for file, text in texts.items():
        if not fileio.exists(f"{base_directory}/{file}"):
            write_whole(f"{base_directory}/{file}", text)


def largest_batch(base_directory: str, max_batch: int) -> int:
    """Returns the largest number of images that a server with `batching.config` accepts in a batch.

    If a warm-up request of a version has more images than the server accepts, the server does not
    load the version.

    Args:
      base_directory: the serving directory.
      max_batch: the number to return, unless `batching.config` contains a smaller `max_batch_size`.
    """
    content = (read_bytes(f"{base_directory}/{BATCHING}") or b"").decode(errors="replace")
    lines = "".join(line.partition("#")[0] for line in content.splitlines())
    found = re.search(r"\bmax_batch_size\s*:?\s*\{\s*value\s*:\s*(\d+)", lines)
    return min(max_batch, int(found[1])) if found and int(found[1]) else max_batch
