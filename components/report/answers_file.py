"""The file with the predictions of a run, which `--compare` reads to compare two runs.

This module imports neither TensorFlow nor TFX, which take seconds to import.
"""

import json
from typing import Any

import numpy as np

from components.report.answers import Answers

FILE = "answers.json"


def format_answers(answers: Answers) -> str:
    """Formats predictions as JSON text: an array for each field of `Answers` except `champion`."""
    return json.dumps(
        {
            "classes": list(answers.classes),
            "files": answers.files.tolist(),
            "labels": answers.labels.tolist(),
            "predicted": answers.predicted.tolist(),
            "probabilities": np.round(answers.probabilities, 4).tolist(),
            "accepted": answers.accepted.astype(int).tolist(),
        }
    )


def parse_answers(text: bytes) -> Answers:
    """Parses the JSON text that `format_answers` returns.

    Raises:
      ValueError: the text is damaged.
    """
    try:
        columns: dict[str, Any] = json.loads(text)
        answers = Answers(
            classes=tuple(columns["classes"]),
            files=np.array(columns["files"], object),
            labels=np.array(columns["labels"], np.int64),
            predicted=np.array(columns["predicted"], np.int64),
            probabilities=np.array(columns["probabilities"], np.float64),
            accepted=np.array(columns["accepted"], bool),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if len({len(column) for column in list(columns.values())[1:]}) != 1:
        raise ValueError("its columns have different lengths")
    return answers
