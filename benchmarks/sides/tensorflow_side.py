"""Measures this project's backbones, training step and training loop, in a separate process.

    python -m benchmarks.sides.tensorflow_side

The process answers requests from `benchmarks/sides/process.py`. This module needs TensorFlow and
Keras, but not TFX.
"""

import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from backbones.augreg.convert import convert
from backbones.augreg.initialization import random_arrays
from backbones.catalogue import MODELS
from backbones.contract import call_backbone, load_backbone, read_shapes
from benchmarks.sides.process import serve
from benchmarks.training.material import Material, make_material
from trainer.input.augmentation import Augmentation
from trainer.model.classifier import make_classifier
from trainer.training.checkpoints import Checkpoints
from trainer.training.hyperparameters import Hyperparameters
from trainer.training.loop import Loop, fit
from trainer.training.optimizer import Schedule
from trainer.training.train_step import Result, Stepper

_WARM_UP = 3  # number of steps before the clock starts, because the first step traces and compiles
CROP_AND_FLIP = Augmentation(crop_area=0.05, flip=True)


def make_hyperparameters(batch_size: int, **more: Any) -> Hyperparameters:
    """Returns the hyperparameters of every measurement: SGD with momentum and gradient clipping."""
    return Hyperparameters(batch_size=batch_size, learning_rate=1e-3, schedule="constant", **more)


class TensorFlowSide:
    """Answers the requests of the benchmarks; each public method answers one kind of request."""

    def __init__(self, folder: Path) -> None:
        """
        Args:
          folder: an empty folder, to which this class writes backbones with random weights.
        """
        self._folder = folder
        self._steps: dict[str, Callable[[int], float]] = {}
        for gpu in tf.config.list_physical_devices("GPU"):  # leave memory for other processes
            tf.config.experimental.set_memory_growth(gpu, True)

    def device(self) -> dict[str, Any]:
        """Returns the name of the device, and the version of TensorFlow."""
        gpus = tf.config.list_physical_devices("GPU")
        name = tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else "CPU"
        return {"device": name, "implementation": f"TensorFlow {tf.__version__}"}

    def prepare(
        self,
        *,
        name: str,
        kind: str,
        model: str,
        batch_size: int,
        precision: str,
        compiled: bool,
        classes: int = 0,
        strategy: str = "single",
        fused: bool = False,
        keep: bool = False,
    ) -> dict[str, Any]:
        """Prepares a forward or training step on a batch in device memory, and runs warm-up steps.

        Args:
          name: the name by which later requests refer to the step.
          kind: "forward", or "training" for the Trainer's own step.
          model: the name of a feature extractor in the catalogue; its weights are random.
          batch_size: the number of images in a batch.
          precision: "float32" or "mixed_bfloat16".
          compiled: whether steps are compiled with XLA.
          classes: the number of classes of the head; used only for "training".
          strategy: "single" or "mirrored"; used only for "training".
          fused: whether a GPU computes attention with kernels of cuDNN; used only for "training"
            with XLA.
          keep: whether previously prepared steps stay in memory; if not, they are deleted.
        """
        if not keep:
            self._drop()
        directory = self._convert_backbone(model, precision)
        if kind == "forward":
            step = _forward(directory, batch_size, compiled)
        else:
            hyperparameters = make_hyperparameters(
                batch_size, steps=10**6, jit_compile=compiled, fused_attention=fused
            )
            step = _training(directory, hyperparameters, classes, strategy)
        self._steps[name] = step
        started = time.perf_counter()
        step(_WARM_UP)
        return {"seconds": time.perf_counter() - started}

    def run(self, name: str, steps: int) -> dict[str, Any]:
        """Runs the prepared step `steps` times; returns the duration in seconds."""
        return {"seconds": self._steps[name](steps)}

    def peak(self) -> dict[str, Any]:
        """Returns the device's peak memory since the previous call, in MiB; None on a CPU."""
        if not tf.config.list_physical_devices("GPU"):
            return {"mib": None}
        peak = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20
        tf.config.experimental.reset_memory_stats("GPU:0")
        return {"mib": peak}

    def features(
        self, *, model: str, precision: str, batch_size: int, output: str, tensor_float: bool
    ) -> dict[str, Any]:
        """Writes the features of random images to the file `output`, float32 [B, D].

        Args:
          model: the name of a feature extractor in the catalogue.
          precision: "float32" or "mixed_bfloat16".
          batch_size: B, the number of images.
          output: the path of an `.npy` file.
          tensor_float: whether a GPU may round float32 products to TensorFloat-32.
        """
        tf.config.experimental.enable_tensor_float_32_execution(tensor_float)
        directory = self._convert_backbone(model, precision)
        size = read_shapes(directory).height
        images = np.random.default_rng(0).uniform(-1, 1, [batch_size, size, size, 3])
        features = call_backbone(load_backbone(directory), tf.constant(images, tf.float32))
        np.save(output, features.numpy())
        tf.config.experimental.enable_tensor_float_32_execution(True)
        return {}

    def losses(
        self,
        *,
        model: str,
        batch_size: int,
        steps: int,
        images: int,
        compiled: bool | None,
        fused: bool,
        precision: str,
    ) -> dict[str, Any]:
        """Trains by `trainer.training.loop.fit` with a fixed seed; returns each step's loss."""
        material = self._material(model, images, precision)
        keras.utils.set_random_seed(0)
        with tempfile.TemporaryDirectory() as folder:
            fitted = fit(
                material.make_model(),
                material.train(CROP_AND_FLIP),
                material.validation(batch_size),
                hyperparameters=make_hyperparameters(
                    batch_size, steps=steps, jit_compile=compiled, fused_attention=fused
                ),
                strategy=tf.distribute.get_strategy(),
                checkpoints=f"{folder}/checkpoints",
                log_dir=f"{folder}/log",
            )
        return {"losses": [step["loss"] for step in fitted.history.values["steps"]]}

    def loop(
        self,
        *,
        model: str,
        batch_size: int,
        images: int,
        steps: int,
        rounds: int,
        compiled: bool,
        precision: str,
    ) -> dict[str, Any]:
        """Measures the Trainer's loop and, alternately, the training step on one batch in memory.

        The loop reads, decodes, crops and flips JPEGs, and records the history of the training.

        Returns:
          A dictionary with two lists, each with the seconds per step in each round: "loop" for the
          Trainer's loop, and "bare" for the training step on the batch in memory.
        """
        self._drop()
        material = self._material(model, images, precision)
        hyperparameters = make_hyperparameters(
            batch_size, steps=rounds * steps + _WARM_UP, jit_compile=compiled
        )
        schedule = _schedule(hyperparameters)
        strategy = tf.distribute.get_strategy()
        stepper = _LoopStepper(
            material.make_model(),
            schedule,
            hyperparameters,
            class_weights=None,
            strategy=strategy,
            turn=steps,
        )
        copies = -(-(hyperparameters.steps + 1) * batch_size // material.images)
        with tempfile.TemporaryDirectory() as folder:
            Loop(
                stepper,
                Checkpoints(
                    f"{folder}/checkpoints",
                    stepper.variables,
                    [variable.value for variable in stepper.model.variables],
                    kept=1,
                ),
                train=material.train(CROP_AND_FLIP, copies),
                validation=material.validation(batch_size),
                schedule=schedule,
                hyperparameters=hyperparameters,
                strategy=strategy,
                log_dir=f"{folder}/log",
            ).run()
        return {"loop": stepper.loop, "bare": stepper.bare}

    def input(
        self, *, model: str, batch_size: int, images: int, batches: int, rounds: int
    ) -> dict[str, Any]:
        """Measures images/s of the Trainer's input pipeline (JPEGs, crop, flip), for each round."""
        material = self._material(model, images, "float32")
        dataset = iter(material.train(CROP_AND_FLIP).batches(batch_size))
        next(dataset)
        rates = []
        for _ in range(rounds):
            started = time.perf_counter()
            for _ in range(batches):
                next(dataset)
            rates.append(batches * batch_size / (time.perf_counter() - started))
        return {"images_per_second": rates}

    def _convert_backbone(self, model: str, precision: str) -> Path:
        directory = self._folder / f"{model}-{precision}"
        if not directory.exists():
            convert(
                random_arrays(MODELS[model].architecture, seed=0), directory, precision=precision
            )
        return directory

    def _material(self, model: str, images: int, precision: str) -> Material:
        folder = self._folder / f"material-{model}-{precision}-{images}"
        if folder.exists():
            return Material(folder, images)
        folder.mkdir()
        return make_material(folder, model, images, None, precision=precision)

    def _drop(self) -> None:
        self._steps.clear()
        gc.collect()
        keras.backend.clear_session()


class _LoopStepper(Stepper):
    """Times the steps of the training loop and, alternately, steps on one batch in memory."""

    def __init__(self, *args: Any, turn: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self._turn = turn
        self._done = -_WARM_UP
        self._batch: list[tuple[tf.Tensor, tf.Tensor]] = []
        self.loop: list[float] = []
        self.bare: list[float] = []

    def step(self, parts: Any, *, preempted: bool = False) -> Result:
        result = super().step(parts, preempted=preempted)
        self._batch = self._batch or [(tf.identity(a), tf.identity(b)) for a, b in parts]
        self._done += 1
        if self._done == 0:
            float(result.loss)  # `float` waits until the device has computed the loss
            self._started = time.perf_counter()
        elif self._done > 0 and self._done % self._turn == 0:
            float(result.loss)
            self.loop.append((time.perf_counter() - self._started) / self._turn)
            self._started = time.perf_counter()
            for _ in range(self._turn):
                result = super().step(self._batch)
            float(result.loss)
            self.bare.append((time.perf_counter() - self._started) / self._turn)
            self._started = time.perf_counter()
        return result


def _forward(directory: Path, batch_size: int, compiled: bool) -> Callable[[int], float]:
    backbone, shapes = load_backbone(directory), read_shapes(directory)
    images = tf.random.uniform([batch_size, shapes.height, shapes.width, 3], -1, 1)
    call = tf.function(lambda images: call_backbone(backbone, images), jit_compile=compiled or None)

    def run(steps: int) -> float:
        started = time.perf_counter()
        for _ in range(steps):
            call(images).numpy()  # `numpy` waits until the device has computed the features
        return time.perf_counter() - started

    return run


def _training(
    directory: Path, hyperparameters: Hyperparameters, classes: int, strategy_name: str
) -> Callable[[int], float]:
    strategy = tf.distribute.get_strategy()
    if strategy_name == "mirrored":
        strategy = tf.distribute.MirroredStrategy()
    shapes = read_shapes(directory)
    with strategy.scope():
        model = make_classifier(load_backbone(directory), shapes, classes)
    schedule = _schedule(hyperparameters)
    stepper = Stepper(model, schedule, hyperparameters, class_weights=None, strategy=strategy)
    batch_size = hyperparameters.batch_size
    images = tf.random.uniform([batch_size, shapes.height, shapes.width, 3], -1, 1)
    batch = [(images, tf.one_hot(tf.range(batch_size) % classes, classes))]

    def run(steps: int) -> float:
        started = time.perf_counter()
        for _ in range(steps):
            result = stepper.step(batch)
        float(result.loss)  # `float` waits until the device has computed the loss
        return time.perf_counter() - started

    return run


def _schedule(hyperparameters: Hyperparameters) -> Schedule:
    return Schedule(hyperparameters.learning_rate, 0, hyperparameters.steps, "constant")


def main() -> None:
    """Answers requests until stdin ends."""
    with tempfile.TemporaryDirectory() as folder:
        side = TensorFlowSide(Path(folder))
        names = ("device", "prepare", "run", "peak", "features", "losses", "loop", "input")
        serve({name: getattr(side, name) for name in names}, tf.errors.OpError)


if __name__ == "__main__":
    main()
