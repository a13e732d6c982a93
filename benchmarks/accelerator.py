"""Measures an accelerator: speed of training and inference, memory, and agreement with the CPU.

    python benchmarks/accelerator.py [PART ...] [--torch PYTHON] [--output FILE.md]
                                     [--models vit_b16_fe vit_s16_fe] [--minutes 10]

The benchmark prints a table in Markdown, each row as soon as it is measured, so that an interrupted
run keeps its rows. The benchmark needs TensorFlow and Keras, but not TFX. On a CPU, choose small
models and small batches, because a CPU is much slower than an accelerator.

`--torch` is the path of a Python interpreter with PyTorch installed. With `--torch`, `training` and
`forward` also time the same model in PyTorch (timm's model, if timm is installed). PyTorch runs
with `torch.compile`, and uses autocast for bfloat16. TensorFlow and PyTorch run in two processes,
which are measured alternately. In each round, the benchmark divides the speed of TensorFlow by the
speed of PyTorch, and it prints the median ratio over all rounds.

training: images/s of the Trainer's own step (SGD with momentum, clipping) on a batch in the
device's memory, with XLA (--jit-compile) and without.

forward: images/s of the backbone. The benchmark waits for the result of each step before it starts
the next step, so that the time of a step with a batch size of 1 is the latency for one image.

agreement: how much the features and the losses on the device differ from those on the CPU. The
difference in features is the norm of (features on the device - features on the CPU), divided by the
norm of the features on the CPU. For the losses, the benchmark prints the largest difference between
the loss on the device and the loss on the CPU in 20 training steps.

loop: speed of the Trainer's loop, relative to the speed of the same training step on a batch in
memory. The loop reads, decodes, crops and flips JPEGs. The benchmark also prints the images/s of
the Trainer's input pipeline without training.

replicas: speed of a training step under MirroredStrategy on one device, relative to the speed of
the same step without a distribution strategy.

memory: peak memory of a training step, for each model and batch size.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from backbones.catalogue import MODELS
from benchmarks.sides.process import (
    Side,
    SideError,
    start_tensorflow,
    start_torch,
    time_turns,
    torch_shape,
)
from common.command_line import Parser, positive

_CLASSES = 1000


def main(given: list[str] | None = None) -> None:
    """Runs the measurements that the command line names, and prints the table."""
    options = _parse(given)
    deadline = time.monotonic() + 60 * options.minutes
    with Table(options.output) as table, start_tensorflow() as ours:
        other = start_torch(options.torch) if options.torch else None
        device = ours.ask("device")
        table.title(f"{device['device']}, {device['implementation']}")
        try:
            measurement = Measurement(options, ours, other)
            for part in options.parts:
                for title, goal, measure in getattr(measurement, part)():
                    if time.monotonic() > deadline:
                        table.row(title, "not measured: out of time", "", "", goal)
                        continue
                    try:
                        table.row(title, *measure(), goal)
                    except SideError as error:
                        table.row(title, f"failed: {error}", "", "", goal)
                    measurement.restart_ended_processes()
        finally:
            measurement.close()


class Table:
    """Writes a table in Markdown, row by row, to stdout and to a file."""

    def __init__(self, file: Path | None) -> None:
        self._file = file.open("w") if file else None

    def title(self, text: str) -> None:
        """Writes the device and the names of the columns."""
        self._write(f"{text}\n")
        self._write("| row | here | other | ratio | goal |\n| --- | --- | --- | --- | --- |")

    def row(self, *columns: str) -> None:
        """Writes the row of one measurement."""
        self._write("| " + " | ".join(columns) + " |")

    def _write(self, line: str) -> None:
        print(line, flush=True)
        if self._file:
            print(line, file=self._file, flush=True)

    def __enter__(self) -> "Table":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()


Rows = Iterator[tuple[str, str, Callable[[], tuple[str, str, str]]]]


class Measurement:
    """The measurements.

    Each part of the benchmark, such as `training`, is a method of this class. For each row of the
    table, the method yields the title of the row, the goal for the ratio, and a function that takes
    the measurement.
    """

    def __init__(self, options: argparse.Namespace, ours: Side, other: Side | None) -> None:
        self._options = options
        self._ours = ours
        self._other = other
        self._cpu: Side | None = None
        self._prepared = ""  # the model and settings that the PyTorch process has prepared

    def close(self) -> None:
        """Ends all processes."""
        for side in (self._ours, self._other, self._cpu):
            if side:
                side.close()

    def restart_ended_processes(self) -> None:
        """Restarts processes that ended during a measurement."""
        if not self._ours.is_running:
            self._ours = start_tensorflow()
        if self._other and not self._other.is_running:
            self._other, self._prepared = start_torch(self._options.torch), ""

    def training(self) -> Rows:
        for model in self._options.models:
            for batch_size in self._options.batch_sizes:
                for way in self._options.ways:
                    yield (
                        f"{model} training, batch {batch_size}, {self._options.precision}"
                        f"{_WAYS[way]}",
                        ">= 1.0" if way == "fused" else "",
                        lambda m=model, b=batch_size, w=way: self._steps(
                            "training", m, b, w != "plain", fused=w == "fused"
                        ),
                    )

    def forward(self) -> Rows:
        for model in self._options.models:
            for batch_size in self._options.forward_batch_sizes:
                for precision in ("float32", "mixed_bfloat16"):
                    for compiled in (True, False):
                        yield (
                            f"{model} forward, batch {batch_size}, {precision}"
                            f"{', XLA' if compiled else ''}",
                            ">= 1.0" if compiled else "",
                            lambda m=model, b=batch_size, c=compiled, p=precision: self._steps(
                                "forward", m, b, c, p
                            ),
                        )

    def agreement(self) -> Rows:
        model = self._options.agreement_model
        for precision, tensor_float, goal in (
            ("float32", False, "<= 1e-3"),
            ("float32", True, ""),
            ("mixed_bfloat16", True, "<= 3e-2"),
        ):
            rounded = ", TensorFloat-32" if tensor_float and precision == "float32" else ""
            yield (
                f"{model} features on device and CPU, {precision}{rounded}",
                goal,
                lambda p=precision, t=tensor_float: self._features(model, p, t),
            )
        fused_too = [("mixed_bfloat16", True)] if "fused" in self._options.ways else []
        for precision, fused in [("float32", False), *fused_too]:
            yield (
                f"{model} losses of 20 steps on device and CPU, {precision}"
                f"{_WAYS['fused'] if fused else ''}",
                "<= 1e-2",
                lambda p=precision, f=fused: self._losses(model, p, f),
            )

    def loop(self) -> Rows:
        for model in self._options.models:
            yield (
                f"{model} Trainer's loop with input, batch {self._options.batch_sizes[0]}, XLA",
                ">= 0.95",
                lambda m=model: self._loop(m),
            )
        yield (
            "input alone, crop and flip, images/s",
            "",
            lambda: self._input(self._options.models[0]),
        )

    def replicas(self) -> Rows:
        model = self._options.models[-1]
        yield (
            f"{model} training, MirroredStrategy on one device",
            ">= 0.98",
            lambda: self._mirrored(model),
        )

    def memory(self) -> Rows:
        for model in self._options.memory_models:
            for batch_size in self._options.memory_batch_sizes:
                yield (
                    f"{model} training, batch {batch_size}, XLA, peak memory in MiB",
                    "",
                    lambda m=model, b=batch_size: self._peak(m, b),
                )

    def _steps(
        self,
        kind: str,
        model: str,
        batch_size: int,
        compiled: bool,
        precision: str | None = None,
        *,
        fused: bool = False,
    ) -> tuple[str, str, str]:
        precision = precision or self._options.precision
        classes = _CLASSES if kind == "training" else 0
        same = {"kind": kind, "batch_size": batch_size, "precision": precision, "classes": classes}
        self._ours.ask("peak")
        self._ours.ask("prepare", name="steps", model=model, compiled=compiled, fused=fused, **same)
        sides = [self._ours]
        if self._other:
            sides.append(self._other)
            if self._prepared != f"{model} {same}":
                shape = torch_shape(MODELS[model].architecture)
                self._other.ask("peak")
                self._other.ask("prepare", name="steps", architecture=shape, compiled=True, **same)
                self._prepared = f"{model} {same}"
        times = time_turns(
            sides, "steps", rounds=self._options.rounds, seconds=self._options.seconds
        )
        figures = []
        for side, own in zip(sides, times, strict=True):
            peak = side.ask("peak")["mib"]
            rate = f"{batch_size / statistics.median(own):,.1f} images/s"
            figures.append(rate if peak is None else f"{rate}, {peak:,.0f} MiB")
        if not self._other:
            return figures[0], "", ""
        ratio = statistics.median(o / u for u, o in zip(*times, strict=True))
        return figures[0], figures[1], f"{ratio:.3f}"

    def _features(self, model: str, precision: str, tensor_float: bool) -> tuple[str, str, str]:
        with tempfile.TemporaryDirectory() as folder:
            features = []
            for side in (self._ours, self._on_cpu()):
                output = f"{folder}/{len(features)}.npy"
                side.ask(
                    "features",
                    model=model,
                    precision=precision,
                    batch_size=8,
                    output=output,
                    tensor_float=tensor_float,
                )
                features.append(np.load(output))
        device, cpu = features
        return "", "", f"{np.linalg.norm(device - cpu) / np.linalg.norm(cpu):.1e}"

    def _losses(self, model: str, precision: str, fused: bool) -> tuple[str, str, str]:
        device, cpu = (
            side.ask(
                "losses",
                model=model,
                batch_size=self._options.agreement_batch_size,
                steps=20,
                images=4 * self._options.agreement_batch_size,
                compiled=None,
                fused=fused and side is self._ours,
                precision=precision,
            )["losses"]
            for side in (self._ours, self._on_cpu())
        )
        difference = max(abs(a - b) for a, b in zip(device, cpu, strict=True))
        return f"{device[0]:.4f} to {device[-1]:.4f}", f"to {cpu[-1]:.4f}", f"{difference:.1e}"

    def _loop(self, model: str) -> tuple[str, str, str]:
        times = self._ours.ask(
            "loop",
            model=model,
            batch_size=self._options.batch_sizes[0],
            images=self._options.images,
            steps=self._options.loop_steps,
            rounds=self._options.rounds,
            compiled=True,
            precision=self._options.precision,
        )
        rates = [
            self._options.batch_sizes[0] / statistics.median(times[k]) for k in ("loop", "bare")
        ]
        ratio = statistics.median(b / t for t, b in zip(times["loop"], times["bare"], strict=True))
        return f"{rates[0]:,.1f} images/s", f"{rates[1]:,.1f} images/s", f"{ratio:.3f}"

    def _input(self, model: str) -> tuple[str, str, str]:
        rates = self._ours.ask(
            "input",
            model=model,
            batch_size=self._options.batch_sizes[0],
            images=self._options.images,
            batches=self._options.loop_steps,
            rounds=self._options.rounds,
        )["images_per_second"]
        return f"{statistics.median(rates):,.0f}", "", ""

    def _mirrored(self, model: str) -> tuple[str, str, str]:
        for name in ("single", "mirrored"):
            self._ours.ask(
                "prepare",
                name=name,
                kind="training",
                model=model,
                batch_size=self._options.batch_sizes[0],
                precision=self._options.precision,
                compiled=True,
                classes=_CLASSES,
                strategy=name,
                fused=True,
                keep=name == "mirrored",
            )
        times: dict[str, list[float]] = {"single": [], "mirrored": []}
        seconds = self._options.seconds
        for _ in range(self._options.rounds):
            for name in times:
                times[name] += time_turns([self._ours], name, rounds=1, seconds=seconds)[0]
        rates = {n: self._options.batch_sizes[0] / statistics.median(t) for n, t in times.items()}
        ratio = statistics.median(
            s / m for s, m in zip(times["single"], times["mirrored"], strict=True)
        )
        return (
            f"{rates['mirrored']:,.1f} images/s",
            f"{rates['single']:,.1f} images/s",
            f"{ratio:.3f}",
        )

    def _peak(self, model: str, batch_size: int) -> tuple[str, str, str]:
        self._ours.ask("peak")
        self._ours.ask(
            "prepare",
            name="steps",
            kind="training",
            model=model,
            batch_size=batch_size,
            precision=self._options.precision,
            compiled=True,
            fused=True,
            classes=_CLASSES,
        )
        peak = self._ours.ask("peak")["mib"]
        return "-" if peak is None else f"{peak:,.0f}", "", ""

    def _on_cpu(self) -> Side:
        self._cpu = self._cpu or start_tensorflow(sees_gpu=False)
        return self._cpu


# Maps each way to compile the training step to the words at the end of its row title.
_WAYS = {"fused": ", XLA and cuDNN's attention", "xla": ", XLA", "plain": ""}
_PARTS = ("training", "forward", "agreement", "loop", "replicas", "memory")


def _parse(given: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="benchmarks/accelerator.py", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=_PARTS, help=", ".join(_PARTS) + "; all")
    parser.add_argument("--torch", metavar="PYTHON", help="compare with the PyTorch of this Python")
    parser.add_argument("--output", type=Path, help="write the table to this file as well")
    parser.add_argument("--models", nargs="+", default=["vit_b16_fe", "vit_s16_fe"])
    parser.add_argument("--ways", nargs="+", choices=_WAYS, default=list(_WAYS))
    parser.add_argument("--precision", default="mixed_bfloat16")
    parser.add_argument("--batch-sizes", nargs="+", type=positive, default=[128, 512])
    parser.add_argument("--forward-batch-sizes", nargs="+", type=positive, default=[1, 256])
    parser.add_argument("--agreement-model", default="vit_s16_fe")
    parser.add_argument("--agreement-batch-size", type=positive, default=16)
    parser.add_argument(
        "--memory-models", nargs="+", default=["vit_s16_fe", "vit_b16_fe", "vit_l16_fe"]
    )
    parser.add_argument("--memory-batch-sizes", nargs="+", type=positive, default=[64, 128, 256])
    parser.add_argument(
        "--images", type=positive, default=1024, help="number of images for the input pipeline"
    )
    parser.add_argument("--loop-steps", type=positive, default=30, help="steps in a turn of `loop`")
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each side's turn")
    parser.add_argument("--minutes", type=float, default=60.0, help="start no row after this time")
    options = parser.parse_args(given)
    if unknown := set(options.parts) - set(_PARTS):
        parser.error(f"{', '.join(unknown)}: expected some of {', '.join(_PARTS)}")
    if unknown := {*options.models, *options.memory_models, options.agreement_model} - set(MODELS):
        parser.error(f"{', '.join(unknown)}: expected catalogue names (--list-models)")
    return options


if __name__ == "__main__":
    main()
