"""Chooses the devices of a training: one device, all GPUs, several machines, or a TPU."""

import json
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from common.errors import InputError


def make_strategy(name: str) -> tf.distribute.Strategy:
    """Returns the distribution strategy that the option `train.strategy` names.

    Call this function before TensorFlow computes anything, because computing initializes the
    devices, and several workers cannot connect after the devices are initialized.

    Args:
      name: "single", "mirrored", "multiworker", "tpu" or "auto". "auto" stands for "tpu" if there
        is a TPU, for "multiworker" if `TF_CONFIG` names several workers, for "mirrored" if there
        are several GPUs, and otherwise for "single".

    Raises:
      InputError: the devices that the strategy needs are not available.
    """
    return _MAKERS[_detect_strategy() if name == "auto" else name]()


def worker_index(strategy: tf.distribute.Strategy) -> tuple[int, int]:
    """Returns the index of this worker, and the number of workers. Worker 0 is the chief."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 0, 1
    resolver = strategy.cluster_resolver
    cluster = resolver.cluster_spec()
    chiefs = cluster.num_tasks("chief") if "chief" in cluster.jobs else 0
    workers = cluster.num_tasks("worker") if "worker" in cluster.jobs else 0
    index = resolver.task_id + (chiefs if resolver.task_type == "worker" else 0)
    return index, chiefs + workers


def is_on_cpu() -> bool:
    """Returns whether trainings run on CPUs: whether the machine has no GPU and no TPU."""
    return not (tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("TPU"))


def describe_devices(strategy: tf.distribute.Strategy) -> str:
    """Returns the devices of a training in words, such as "2 CPU cores" or "4 NVIDIA L4"."""
    count = strategy.num_replicas_in_sync
    if tf.config.list_logical_devices("TPU"):
        return f"{count} TPU cores"
    if gpus := tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(gpus[0])
        return f"{count} {details.get('device_name', 'GPU')}"
    cores = len(os.sched_getaffinity(0))
    words = f"{cores} CPU core{'s' * (cores > 1)}"
    workers = worker_index(strategy)[1]
    return words if workers == 1 else f"{workers} machines with {words}"


def input_options(strategy: tf.distribute.Strategy) -> tf.distribute.InputOptions | None:
    """Returns the options for distributing datasets with `strategy`.

    The result is None if TensorFlow should use its default options.

    By default, TensorFlow runs a thread that copies batches to the devices in advance. With several
    workers, the copying thread took up to 100 s to end after a training. Copying in advance has no
    advantage on CPUs, so the returned options turn off the copying thread for several workers
    without GPUs.
    """
    if worker_index(strategy)[1] == 1 or tf.config.list_logical_devices("GPU"):
        return None
    return tf.distribute.InputOptions(experimental_fetch_to_device=False)


def wait_for_all(strategy: tf.distribute.Strategy) -> None:
    """Returns as soon as every worker has called this function."""
    if worker_index(strategy)[1] == 1:
        return
    _sum(strategy, [tf.constant(1.0)])


def any_worker(strategy: tf.distribute.Strategy, flag: bool) -> bool:
    """Returns whether `flag` is true on at least one worker; all workers get the same result.

    Every worker must call this function.
    """
    if worker_index(strategy)[1] == 1:
        return flag
    return bool(_sum(strategy, [tf.constant(float(flag))])[0] > 0)


def broadcast_from_chief(
    strategy: tf.distribute.Strategy, arrays: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Returns the chief's arrays on every worker.

    Every worker must call this function, with arrays of the same shapes.
    """
    if worker_index(strategy)[1] == 1:
        return list(arrays)
    return broadcast_from_first_replica(strategy, arrays)


def broadcast_from_first_replica(
    strategy: tf.distribute.Strategy, arrays: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Sends the arrays of the first replica to all replicas, and returns them.

    The copies are exact, with one exception: TensorFlow's kernels round denormal numbers (absolute
    values below 1.2e-38) to 0. Every worker must call this function, with arrays of the same
    shapes.
    """
    return _sum(strategy, [tf.constant(array) for array in arrays], of_first=True)


def _sum(
    strategy: tf.distribute.Strategy, tensors: Sequence[tf.Tensor], *, of_first: bool = False
) -> list[np.ndarray]:
    """Sums tensors over all replicas.

    All replicas of a worker contribute the same tensors.

    Args:
      strategy: the distribution strategy that defines the replicas.
      tensors: the tensors of this worker.
      of_first: whether to return the tensors that the first replica contributes, instead of the
        sum.
    """

    @tf.function
    def sum_over_replicas() -> list[tf.Tensor]:
        def sum_in_replica() -> list[tf.Tensor]:
            context = tf.distribute.get_replica_context()
            own = list(tensors)
            if of_first:
                is_first = tf.equal(context.replica_id_in_sync_group, 0)
                # All replicas except the first contribute -0.0, because adding -0.0 never changes a
                # number. Adding 0.0 would change -0.0 to 0.0.
                own = [tf.where(is_first, t, -tf.zeros_like(t)) for t in own]
            # Each tensor is summed with its own call of `all_reduce`. In a call for a list of
            # tensors, TensorFlow would pack the list into one tensor, which is impossible if the
            # tensors have different types.
            return [context.all_reduce(tf.distribute.ReduceOp.SUM, t) for t in own]

        return strategy.run(sum_in_replica)

    return [strategy.experimental_local_results(total)[0].numpy() for total in sum_over_replicas()]


def _detect_strategy() -> str:
    if os.environ.get("TPU_NAME"):
        return "tpu"
    workers = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
    if sum(len(addresses) for addresses in workers.values()) > 1:
        return "multiworker"
    # Devices are listed only if there is a single worker, because listing devices initializes
    # TensorFlow, and workers cannot connect after TensorFlow is initialized.
    if tf.config.list_logical_devices("TPU"):
        return "tpu"
    return "mirrored" if len(tf.config.list_logical_devices("GPU")) > 1 else "single"


def _create_mirrored() -> tf.distribute.Strategy:
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _create_multiworker() -> tf.distribute.Strategy:
    if not os.environ.get("TF_CONFIG"):
        raise InputError(
            "train.strategy multiworker: TF_CONFIG is not set; expected the addresses of the "
            "workers in it (Vertex AI's worker pools set it)"
        )
    return tf.distribute.MultiWorkerMirroredStrategy()


def _create_tpu() -> tf.distribute.Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(os.environ.get("TPU_NAME", ""))
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"train.strategy tpu: no TPU can be reached ({reason})") from error
    return tf.distribute.TPUStrategy(resolver)


_MAKERS = {
    "single": tf.distribute.get_strategy,
    "mirrored": _create_mirrored,
    "multiworker": _create_multiworker,
    "tpu": _create_tpu,
}
