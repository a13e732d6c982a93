"""Runs a training in a separate process and measures the peak memory of that process.

python -m benchmarks.training.memory FOLDER IMAGES COPIES STEPS BATCH_SIZE
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.training.material import Material

_PROJECT = Path(__file__).resolve().parents[2]


def measure_memory(material: Material, copies: int, steps: int, batch_size: int) -> float:
    """Returns the peak resident memory, in MiB, of a training run.

    The training data contain every image `copies` times. Calls with different values of `copies`
    show whether the memory grows with the size of the dataset.
    """
    arguments = (material.folder, material.images, copies, steps, batch_size)
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks.training.memory", *map(str, arguments)],
        cwd=_PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return float(output.split()[-1])


def _train(material: Material, copies: int, steps: int, batch_size: int) -> None:
    import keras
    import tensorflow as tf

    from pipeline.recipes import INCEPTION
    from trainer.training.hyperparameters import Hyperparameters
    from trainer.training.loop import fit

    keras.utils.set_random_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        fit(
            material.make_model(),
            material.train(INCEPTION, copies),
            material.validation(batch_size),
            hyperparameters=Hyperparameters(steps=steps, batch_size=batch_size),
            strategy=tf.distribute.get_strategy(),
            checkpoints=f"{folder}/checkpoints",
            log_dir=f"{folder}/log",
        )


def _peak() -> float:
    """Returns the peak memory of this process so far, in MiB.

    The function does not use `resource.getrusage`, because the `ru_maxrss` of a child process
    starts at the memory of its parent process.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) / 1024


if __name__ == "__main__":
    folder, *numbers = sys.argv[1:]
    images, copies, steps, batch_size = map(int, numbers)
    _train(Material(Path(folder), images), copies, steps, batch_size)
    print(_peak())
