"""The pipeline of a campaign: small images, a small ViT, few steps."""

import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from backbones.augreg.architecture import Architecture
from backbones.augreg.initialization import random_arrays

PROJECT = Path(__file__).resolve().parents[2]
_CLASSES, _IMAGES = 3, 20
_SIZE = 16
_VIT = Architecture(image_size=_SIZE, patch_size=8, width=16, depth=1, heads=2, mlp_dim=32)


class Workload:
    """A directory with the images, the checkpoint, and the files that runs write.

    Attributes:
      tune: "full" or "head".
      root: the pipeline root.
      serving: the serving directory.
      home: `VIT_HOME`, with the converted backbone.
      out: the file with stdout and stderr of the last run.
    """

    def __init__(self, directory: Path, tune: str) -> None:
        self._directory = directory.resolve()
        self.tune = tune
        self.root = self._directory / "runs"
        self.serving = self._directory / "serving"
        self.home = self._directory / "home"
        self.out = self._directory / "out.txt"
        self._temporary = self._directory / "tmp"
        self._images = self._directory / "images"
        self._checkpoint = self._directory / "vit.npz"

    @property
    def written(self) -> tuple[Path, Path, Path]:
        """The directories to which a run writes."""
        return self.root, self.serving, self.home

    @property
    def versions(self) -> list[Path]:
        """The versions that a server would find in the serving directory."""
        if not self.serving.exists():
            return []
        return sorted(path for path in self.serving.iterdir() if path.name.isdecimal())

    @property
    def arguments(self) -> list[str]:
        """The arguments of the command line."""
        values = {
            "--model": self._checkpoint,
            "--dataset": self._images,
            "--tune": self.tune,
            "--pipeline-root": self.root,
            "--serving-dir": self.serving,
            "--min-accuracy": 0,
            "--batch-size": 8,
        }
        given = [str(part) for pair in values.items() for part in pair]
        return [
            *given,
            "--deterministic",
            *("--set", "train.steps=12"),
            *("--set", "train.checkpoint_steps=3"),
        ]

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of each run."""
        return {
            "VIT_HOME": str(self.home),
            "TMPDIR": str(self._temporary),
            "CUDA_VISIBLE_DEVICES": "",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }

    def prepare(self) -> None:
        """Writes missing images and a missing checkpoint, always with the same content."""
        random = np.random.default_rng(0)
        for label in range(_CLASSES):
            folder = self._images / f"class{label}"
            folder.mkdir(parents=True, exist_ok=True)
            for index in range(_IMAGES):
                pixels = random.integers(0, 256, (_SIZE, _SIZE, 3), np.uint8) // 4
                pixels[..., label] += 150
                file = folder / f"{index}.png"
                if not file.exists():
                    PIL.Image.fromarray(pixels).save(file)
        if not self._checkpoint.exists():
            np.savez(self._checkpoint, **random_arrays(_VIT, seed=0))

    def clear(self) -> None:
        """Removes all files that runs have written."""
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary.mkdir(parents=True)
        for directory in self.written:
            shutil.rmtree(directory, ignore_errors=True)

    def keep(self, copy: Path) -> None:
        """Saves the files of the previous runs in the folder `copy`."""
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for directory in self.written:
            if directory.exists():
                shutil.copytree(directory, copy / directory.name, symlinks=True)

    def put_back(self, copy: Path) -> None:
        """Restores the files that `keep` has saved in the folder `copy`."""
        self.clear()
        for directory in self.written:
            if (copy / directory.name).exists():
                shutil.copytree(copy / directory.name, directory, symlinks=True)

    def begin_process(self) -> subprocess.Popen[bytes]:
        """Starts a run in a new process, which imports TensorFlow and TFX."""
        with self.out.open("wb") as out:
            return subprocess.Popen(
                [sys.executable, "pipeline_runner.py", *self.arguments],
                cwd=PROJECT,
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )


class ForkServer:
    """Starts runs in forked processes, without imports; see `tests.reliability.forkserver`."""

    def __init__(self, preload: Path) -> None:
        environment = {"LD_PRELOAD": str(preload), "CUDA_VISIBLE_DEVICES": ""}
        environment |= {"TF_CPP_MIN_LOG_LEVEL": "3"}
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.reliability.forkserver"],
            cwd=PROJECT,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._answer(120) == {"ready": True}

    def begin(self, workload: Workload, **faults: str) -> int:
        """Starts a run; returns its process id.

        Args:
          workload: the pipeline to run.
          faults: environment variables for fault.c, the preloaded library that causes faults.
        """
        environment = workload.environment | faults
        return self._ask(
            arguments=workload.arguments, environment=environment, out=str(workload.out)
        )

    def wait(self, seconds: float = 300) -> int | None:
        """Waits for the end of the started run, for at most `seconds`.

        Returns:
          The exit status, negative for a signal; None if the run has not ended.
        """
        answer = self._answer(seconds)
        return answer["status"] if answer else None

    def weights(self, model: Path, file: Path) -> np.ndarray | None:
        """Returns the weights of the SavedModel `model`, float64 `[N]`; None if the SavedModel is
        incomplete."""
        file.unlink(missing_ok=True)
        self._ask(weights=str(model), out=str(file))
        return np.load(file) if self.wait() == 0 else None

    def close(self) -> None:
        """Ends the server."""
        assert self._server.stdin
        self._server.stdin.close()
        self._server.wait()

    def _ask(self, **request: Any) -> int:
        assert self._server.stdin
        self._server.stdin.write(f"{json.dumps({'id': time.monotonic(), **request})}\n".encode())
        self._server.stdin.flush()
        answer = self._answer(60)
        assert answer
        return answer["process"]

    def _answer(self, seconds: float) -> dict[str, Any] | None:
        assert self._server.stdout
        if not select.select([self._server.stdout], [], [], seconds)[0]:
            return None
        return json.loads(self._server.stdout.readline())
