"""The data from which the page and the model card of a report are made.

If a run ended early, the attributes for the results of nodes that did not run are None or empty.
This module imports neither TensorFlow nor TFX, which take seconds to import.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from components.model_evaluator.heat_maps import HeatMaps
from components.report.answers import Answers
from components.report.settings import ReportSettings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
    """The images that a run read.

    Attributes:
      counts: the numbers of images that were read, written to each split, and quarantined.
      by_class: for each key of `counts`, the number of images of each class, in the order of the
        classes.
      quarantine: some of the quarantined images, each as a mapping with `file_name` and `reason`.
      anomalies: differences between the examples and the schema, one line each.
    """

    counts: Mapping[str, int]
    by_class: Mapping[str, Sequence[int]]
    quarantine: Sequence[Mapping[str, Any]] = ()
    anomalies: Sequence[str] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Issues:
    """The issues that DataCheck found.

    Attributes:
      records: the rows of DataCheck's list of issues; within a kind, the most severe issue first.
      examined: maps each kind of issue that DataCheck looked for to a description of the kind.
      thumbnails: small copies of some of the images with issues, in a dictionary by file name.
    """

    records: Sequence[Mapping[str, Any]]
    examined: Mapping[str, str]
    thumbnails: Mapping[str, "Thumbnail"] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curves:
    """The metrics of a training, from which the report draws curves.

    Attributes:
      steps: for each recorded training step, a dictionary of its metrics, in which the key `step`
        contains the number of the step. Of a long training, only every n-th step is recorded.
      epochs: for each epoch, a dictionary of its training and validation metrics, in which the key
        `step` contains the number of the epoch's last step.
    """

    steps: Sequence[Mapping[str, float]]
    epochs: Sequence[Mapping[str, float]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """The verdict on the model, and the result of the push.

    Attributes:
      blessed: whether the gate blessed the model.
      reasons: the reasons why the gate did not bless the model; empty if it did.
      limits: for each limit of the gate, a text with the limit and the measured value.
      floor: the required accuracy; None if it is not known.
      comparison: the comparison with the champion, in words; empty if there is no champion.
      warnings: reasons to doubt the gate's verdict, such as a class without test images, one line
        each.
      pushed_to: the directory or endpoint that the model was pushed to; empty if the model was not
        pushed.
      version: the version that was pushed; empty if no version was pushed.
      was_served: whether Pusher pushed nothing, because the model was served already.
      unpushed: the reason why a blessed model was not pushed; empty if it was pushed.
    """

    blessed: bool
    reasons: str = ""
    limits: Sequence[str] = ()
    floor: float | None = None
    comparison: str = ""
    warnings: Sequence[str] = ()
    pushed_to: str = ""
    version: str = ""
    was_served: bool = False
    unpushed: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class NodeUsage:
    """The time and the memory of a node, measured when this run or an earlier run executed it.

    Attributes:
      node: the name of the node.
      seconds: the duration of the execution.
      peak_mb: the peak memory of the node's process, in MiB; 0 if it is unknown.
      cached: whether this run took the outputs of the node from an earlier run.
      started: the start of the execution in UTC, such as 2026-01-31 12:00:00.
    """

    node: str
    seconds: float
    peak_mb: int
    cached: bool
    started: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Thumbnail:
    """A small image.

    Attributes:
      jpeg: the image as a JPEG file.
      width: the width of the image in pixels.
      height: the height of the image in pixels.
    """

    jpeg: bytes
    width: int
    height: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContactSheet:
    """Images of one class, for a person to look at.

    Attributes:
      name: the name of the class.
      total: the number of training images of the class.
      images: some images of the class, in a dictionary by file name.
    """

    name: str
    total: int
    images: Mapping[str, Thumbnail]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contents:
    """All contents of the report of a run.

    Attributes:
      settings: the options of the run, and the fingerprints of its inputs.
      made_at: time at which the report was written, such as 2026-01-31 12:00 UTC.
      versions: versions of installed libraries, in a dictionary by library name.
      stopped: the reason why the run stopped early; empty if it ran to its end.
      is_inspection: whether the run only checks the images (`--inspect`), without training.
      sheets: some images of each class; empty unless the run is an inspection.
      data: the images that the run read; None if it read no images.
      issues: the issues that DataCheck found; None if DataCheck did not run.
      curves: the metrics of the training; None if no model was trained.
      answers: the predictions for the test images; None if no model was evaluated.
      verdict: the verdict on the model; None if the run ended before Pusher.
      thumbnails: small copies of test images with wrong predictions, in a dictionary by file name.
      heat_maps: heat maps of some images in `thumbnails`; None if Evaluator made no heat maps.
      warning: Transform's warning that the images may not have the range of pixel values that the
        backbone expects; empty if there is no warning.
      nodes: the time and the memory of the nodes, in the order in which they ran.
      artifacts: paths or URIs of the artifacts, in a dictionary by node and output, such as
        `Trainer.model`.
    """

    settings: ReportSettings
    made_at: str
    versions: Mapping[str, str]
    stopped: str = ""
    is_inspection: bool = False
    sheets: Sequence[ContactSheet] = ()
    data: Data | None = None
    issues: Issues | None = None
    curves: Curves | None = None
    answers: Answers | None = None
    verdict: Verdict | None = None
    thumbnails: Mapping[str, Thumbnail] = dataclasses.field(default_factory=dict)
    heat_maps: HeatMaps | None = None
    warning: str = ""
    nodes: Sequence[NodeUsage] = ()
    artifacts: Mapping[str, str] = dataclasses.field(default_factory=dict)
