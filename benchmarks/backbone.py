"""Measures the speed of the project's Vision Transformers, relative to a plain matrix product.

    python benchmarks/backbone.py [--model vit_s16_fe] [--batch-size 16] [--rounds 9]
                                  [--precision float32] [--torch OTHER_ENVIRONMENT/bin/python]

The benchmark prints images/s and the fraction of the peak speed for the forward pass and for a full
training step (forward, backward, SGD with momentum) of the SavedModel, with random weights. The
peak speed is the speed, in FLOP/s, at which TensorFlow multiplies two square matrices in the
model's precision. The benchmark tries several matrix sizes, and uses the size with the highest
median speed. In every round, the benchmark multiplies matrices for a second before each step, and
divides the speed of the step by the speed of the multiplication. The printed fraction of the peak
speed is the median over all rounds, so that neither a drift of the machine's speed nor a single
fast moment distorts the result.

Floating-point operations are counted in two ways. The count "as published" assumes that every block
computes its output for every token. For S/16, the count "as published" is 9.2 GFLOP per image in a
forward pass, and three times as many in a training step. To compare this project with other code,
use the printed fraction "of peak as published". The count "as computed" is smaller than the count
"as published", because in this project the last block computes its output for the class token only.

`--torch` is the path of a Python interpreter with PyTorch installed. With `--torch`, each round
also measures the same model in PyTorch on the CPU, with and without `torch.compile`
(`benchmarks/sides/torch_side.py`; 16-bit precision by autocast). The benchmark prints TensorFlow's
speed divided by PyTorch's speed, as the median over all rounds.
"""

import contextlib
import itertools
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from backbones.augreg.architecture import Architecture
from backbones.catalogue import MODELS
from benchmarks.sides.process import start_torch, torch_shape
from common.command_line import Parser, positive


def published_flops(architecture: Architecture) -> int:
    """Returns the number of floating-point operations of a plain ViT per image.

    A multiply-add counts as two operations.
    """
    a = architecture
    embedding = 2 * a.grid_size**2 * a.patch_size**2 * 3 * a.width
    return embedding + a.depth * block_flops(a, a.tokens)


def computed_flops(architecture: Architecture) -> int:
    """Returns the floating-point operations that `backbones.augreg.vit` computes per image."""
    whole = block_flops(architecture, architecture.tokens)
    return published_flops(architecture) - whole + block_flops(architecture, 1)


def block_flops(a: Architecture, queries: int) -> int:
    """Returns the FLOP per image of an encoder block that computes outputs for `queries` tokens."""
    keys_and_values = 2 * 2 * a.tokens * a.width**2
    query_and_output = 2 * 2 * queries * a.width**2
    attention = 2 * 2 * queries * a.tokens * a.width
    mlp = 2 * 2 * queries * a.width * a.mlp_dim
    return keys_and_values + query_and_output + attention + mlp


def make_peak(precision: str) -> Callable[[], float]:
    """Returns a function that multiplies matrices for a second and returns its speed in FLOP/s."""
    import tensorflow as tf

    def measure(matrix: tf.Tensor, seconds: float) -> float:
        products, started, elapsed = 0, time.perf_counter(), 0.0
        while elapsed < seconds:
            tf.linalg.matmul(matrix, matrix)[0, 0].numpy()
            products += 1
            elapsed = time.perf_counter() - started
        return products * 2 * len(matrix) ** 3 / elapsed

    dtype = tf.bfloat16 if precision == "mixed_bfloat16" else tf.float32
    matrices = [tf.cast(tf.random.normal([size] * 2), dtype) for size in (1024, 2048, 3072)]
    tries = [[measure(matrix, 0.2) for matrix in matrices] for _ in range(6)]
    medians = [statistics.median(rates) for rates in zip(*tries, strict=True)]
    fastest = matrices[medians.index(max(medians))]
    return lambda: measure(fastest, 1.0)


def make_steps(directory: str, size: int, batch_size: int) -> dict[str, Callable[[], object]]:
    """Returns functions that run a SavedModel: one for a forward pass, one for a training step."""
    import keras
    import tensorflow as tf

    model = tf.saved_model.load(directory)
    images = tf.random.uniform([batch_size, size, size, 3], -1, 1)
    optimizer = keras.optimizers.SGD(1e-3, momentum=0.9)
    variables = [keras.Variable(v, name=f"v{i}") for i, v in enumerate(model.trainable_variables)]
    optimizer.build(variables)
    forward = tf.function(lambda images: model(images, training=False))

    @tf.function
    def train(images: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(images, training=True) ** 2)
        values = [variable.value for variable in variables]
        optimizer.apply(tape.gradient(loss, values), variables)
        return loss

    return {"forward": lambda: forward(images).numpy(), "training": lambda: train(images).numpy()}


def peak_memory() -> float:
    """Returns the peak memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(given: list[str] | None = None) -> None:
    parser = Parser(prog="benchmarks/backbone.py", description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="vit_s16_fe")
    parser.add_argument("--batch-size", type=positive, default=16)
    parser.add_argument("--rounds", type=positive, default=9)
    parser.add_argument("--precision", choices=["float32", "mixed_bfloat16"], default="float32")
    parser.add_argument("--torch", metavar="PYTHON", help="compare with the PyTorch of this Python")
    arguments = parser.parse_args(given)
    if arguments.model not in MODELS:
        parser.error(f"--model {arguments.model}: expected a catalogue name (--list-models)")
    architecture = MODELS[arguments.model].architecture
    if arguments.torch and architecture.resnet_blocks is not None:
        parser.error(f"--torch: {arguments.model} is a hybrid with a ResNet; expected a plain ViT")

    from backbones.augreg.convert import convert
    from backbones.augreg.initialization import random_arrays

    precision, batch_size = arguments.precision, arguments.batch_size
    with tempfile.TemporaryDirectory() as folder:
        convert(random_arrays(architecture, seed=0), f"{folder}/model", precision=precision)
        steps = make_steps(f"{folder}/model", architecture.image_size, batch_size)
    memory = {}
    for name, step in steps.items():  # warm up, and trace
        step()
        step()
        memory[name] = peak_memory()
    measure_peak = make_peak(precision)
    ahead: dict[tuple[str, str], list[float]] = {}
    peaks, rates = {name: [] for name in steps}, {name: [] for name in steps}
    with contextlib.ExitStack() as stack:
        others = {}
        if arguments.torch:
            others = {
                kind: stack.enter_context(start_torch(arguments.torch))
                for kind in ("PyTorch", "compiled PyTorch")
            }
        for kind, side in others.items():
            for name in steps:
                side.ask(
                    "prepare",
                    name=name,
                    kind=name,
                    architecture=torch_shape(architecture),
                    batch_size=batch_size,
                    precision=precision,
                    compiled=kind == "compiled PyTorch",
                )
        for _ in range(arguments.rounds):
            for name, step in steps.items():
                peaks[name].append(measure_peak())
                started = time.perf_counter()
                step()
                seconds = time.perf_counter() - started
                rates[name].append(batch_size / seconds)
                for kind, side in others.items():
                    other = side.ask("run", name=name, steps=1)["seconds"]
                    ahead.setdefault((name, kind), []).append(other / seconds)

    print(f"{arguments.model}, batch {batch_size}, median of {arguments.rounds} rounds")
    peak = statistics.median(itertools.chain(*peaks.values()))
    print(f"matrix product, {precision.removeprefix('mixed_')}: {peak / 1e9:.0f} GFLOP/s")
    published, done = published_flops(architecture), computed_flops(architecture)
    print(f"an image: {published / 1e9:.2f} GFLOP as published, {done / 1e9:.2f} computed here")
    for name, factor in (("forward", 1), ("training", 3)):
        pairs = zip(rates[name], peaks[name], strict=True)
        fraction = statistics.median(rate * factor / peak for rate, peak in pairs)
        print(
            f"{name}: {statistics.median(rates[name]):.1f} images/s, "
            f"{fraction * published:.3f} of peak as published, {fraction * done:.3f} as computed, "
            f"peak memory {memory[name]:.0f} MiB"
        )
        for kind in others:
            times = statistics.median(ahead[name, kind])
            print(f"{name}: {times:.2f} times as fast as {kind}")


if __name__ == "__main__":
    main()
