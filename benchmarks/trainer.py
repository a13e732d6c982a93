"""Measures how much time and memory the Trainer needs beyond the computation of the model.

    python benchmarks/trainer.py [steps] [input] [memory] [--model vit_s16_fe] [--data-dir DIR]

The benchmark takes some minutes on 2 cores. On a GPU, set `--steps` and `--batch-size` as for a
real training. Every result is a ratio of two measurements. The benchmark alternates between the two
measurements, because the speed of a machine changes with time. Each printed measurement is the
median over all rounds. A printed ratio is the median of the ratios in all rounds, so it may differ
slightly from the quotient of the two printed measurements. Weights are random, which makes no
difference to speed.

steps: steps/s of the Trainer's loop (`trainer.training.loop.Loop`), relative to the steps/s of a
bare `model.fit`. The Trainer's loop includes its input pipeline (gzipped TFRecords, inception crop
and flip), metrics, history and logs. The bare `model.fit` has the same model, optimizer, clipping
and batch size as the loop, but trains on tensors in memory. Tracing and the first steps of a round
are not timed. For `steps`, the benchmark prints the Trainer's speed twice: without checkpoints, and
including the time to write a checkpoint every 500 steps, which is the default interval. Neither the
Trainer nor `model.fit` runs validation. Both use XLA only with `--jit-compile`, although on a GPU
Keras uses XLA by default. On a CPU, choose a model larger than vit_mini for `steps`: decoding and
training share the cores, and training vit_mini on an image takes no longer than decoding the image,
so the result for vit_mini would depend mostly on the decoder.

input: speed of the Trainer's input pipeline (`TrainingData.batches`), once without augmentation and
once with crop and flip, relative to the speed of a decoding loop. The decoding loop decodes images
that are already in memory, resizes them, and scales the pixels to [-1, 1]. The benchmark compares
the input pipeline with the decoding loop in images/s and in images/s per core. For images/s, the
decoding loop is a parallel `tf.data` map with batching and prefetching. For images/s per core, the
decoding loop has one thread, and the benchmark measures images per CPU second, which other
processes on the machine hardly affect. Every round is one epoch, in which the input pipeline reads
all files and fills the shuffle buffer once. If images are cropped, the input pipeline decodes only
a part of each image, and so may be faster than the decoding loop.

memory: peak resident memory (VmHWM) of a new process that trains by `trainer.training.loop.fit` on
10 copies of the data, relative to the peak memory of a process that trains for as many steps on a
single copy of the data. Choose a small model for `memory`: next to the memory of a large model, the
memory that the data need would hardly change the ratio.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from backbones.catalogue import MODELS
from pipeline.recipes import INCEPTION, NOTEBOOK

_PARTS = ("steps", "input", "memory")
_TIMES = 10  # `memory` compares training on this many copies of the data with training on one copy


def main(arguments: list[str] | None = None) -> None:
    options = _parse(arguments)

    import dataclasses

    from benchmarks.training.material import cores, make_material

    hyperparameters = dataclasses.replace(
        NOTEBOOK,
        steps=options.steps,
        batch_size=options.batch_size,
        jit_compile=options.jit_compile,
    )
    source = options.data_dir or "generated JPEGs of 500 x 375"
    print(f"{options.model}, batch {options.batch_size}, {cores()} cores, {options.rounds} rounds")
    print(f"{options.images} images: {source}")
    _row("", "Trainer", "bare", "ratio", "goal")
    with tempfile.TemporaryDirectory() as folder:
        material = make_material(Path(folder), options.model, options.images, options.data_dir)
        if "steps" in options.parts:
            _print_steps(material, hyperparameters, options.rounds)
        if "input" in options.parts:
            _print_input(material, options.batch_size, options.rounds)
        if "memory" in options.parts:
            _print_memory(material, options.steps, options.batch_size)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=_PARTS, help=", ".join(_PARTS) + "; all")
    parser.add_argument("--model", default="vit_s16_fe", choices=[n for n in MODELS if "_fe" in n])
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--steps", type=int, default=3, help="steps in each round")
    parser.add_argument("--images", type=int, default=512, help="number of training images")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--data-dir", type=Path, help="class folders (default: generated images)")
    parser.add_argument("--jit-compile", action="store_true", help="compile both sides with XLA")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(_PARTS):
        parser.error(f"{', '.join(unknown)}: expected some of {', '.join(_PARTS)}")
    return options


def _print_steps(material, hyperparameters, rounds: int) -> None:
    from benchmarks.training.steps import measure_steps

    times = measure_steps(material, hyperparameters, INCEPTION, rounds)
    share = times.checkpoint / hyperparameters.checkpoint_steps
    for name, more in (("training, steps/s", 0.0), ("  and checkpoints", share)):
        trainer = [seconds + more for seconds in times.trainer]
        ratio = statistics.median(b / t for b, t in zip(times.bare, trainer, strict=True))
        rates = [f"{1 / statistics.median(seconds):.3f}" for seconds in (trainer, times.bare)]
        _row(name, *rates, f"{ratio:.3f}", ">= 0.95")


def _print_input(material, batch_size: int, rounds: int) -> None:
    from benchmarks.training.input import measure_input

    rates = measure_input(material, INCEPTION, batch_size, rounds)
    for name, title in (("plain", "input"), ("augmented", "input, crop and flip")):
        for unit, other, ratio in (
            ("wall", "bare", rates[name].ratios_to(rates["bare"])[0]),
            ("cpu", "one thread", rates[name].ratios_to(rates["one thread"])[1]),
        ):
            figures = [
                f"{statistics.median(getattr(rates[side], unit)):.0f}" for side in (name, other)
            ]
            per = "images/s" if unit == "wall" else "images/s per core"
            _row(f"{title}, {per}", *figures, f"{ratio:.3f}", ">= 0.95")


def _print_memory(material, steps: int, batch_size: int) -> None:
    from benchmarks.training.memory import measure_memory

    once, often = (measure_memory(material, n, steps, batch_size) for n in (1, _TIMES))
    figures = (f"{often:.0f}", f"{once:.0f}", f"{often / once:.3f}")
    _row(f"peak MiB, data x {_TIMES} and x 1", *figures, "<= 1.1")


def _row(name: str, trainer: str, bare: str, ratio: str, goal: str) -> None:
    print(f"{name:40}{trainer:>10}{bare:>10}{ratio:>8}  {goal}", flush=True)


if __name__ == "__main__":
    main()
