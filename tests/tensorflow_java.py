"""Runs exported models in TensorFlow Java, which loads a model with TensorFlow's C++ loader and
runs it in a Session."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

_SOURCES = Path(__file__).parent / "java"
# Error messages that Maven prints if it cannot reach the registry. After one of these errors,
# pytest skips the tests. After any other error, such as an error in the POM, the tests fail.
_OFFLINE = ("Could not transfer", "Unknown host", "Connection refused", "in offline mode")


class TensorFlowJava:
    """Runs `tests/java/Classify.java`."""

    def __init__(self, folder: Path) -> None:
        """Downloads the jars to Maven's local repository, 170 MB the first time.

        Args:
          folder: an empty folder for the native libraries, 650 MB.
        """
        for program in ("mvn", "java"):
            if not shutil.which(program):
                pytest.skip(f"no {program}, which TensorFlow Java needs (apt install maven)")
        class_path = folder / "class-path"
        goal = ["dependency:build-classpath", f"-Dmdep.outputFile={class_path}"]
        done = subprocess.run(
            ["mvn", "--batch-mode", "--strict-checksums", f"--file={_SOURCES / 'pom.xml'}", *goal],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode and any(words in done.stdout for words in _OFFLINE):
            pytest.skip("Maven cannot get TensorFlow Java: no repository can be reached")
        assert done.returncode == 0, done.stdout
        self._command = [
            "java",
            f"-Dorg.bytedeco.javacpp.cachedir={folder}",
            "-cp",
            class_path.read_text(),
            str(_SOURCES / "Classify.java"),
        ]

    def classify(
        self, models: Sequence[Path], images: Sequence[Path]
    ) -> dict[str, tuple[list[str], list[float]]]:
        """Classifies the images; returns the labels and their probabilities by model."""
        done = subprocess.run(
            [*self._command, *map(str, models), "--", *map(str, images)],
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        # Whenever the C++ loader loads a model, it writes a log line with the name of its source
        # file.
        assert done.stderr.count("cc/saved_model/loader.cc") >= len(models), done.stderr
        answers: dict[str, tuple[list[str], list[float]]] = {}
        for line in done.stdout.splitlines():
            model, _, label, probability = line.split("\t")
            labels, probabilities = answers.setdefault(model, ([], []))
            labels.append(label)
            probabilities.append(float(probability))
        return answers
