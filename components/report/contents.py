"""The contents of a report as data, from which the page and the model card are made. This module
imports neither TensorFlow nor TFX. Parts of a report that a run did not reach are None or empty.
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
      counts: numbers of images that were read, written to each split, and quarantined.
      by_class: the same numbers for each class, in the order of the classes.
      quarantine: some records of quarantined images, with `file_name` and `reason`.
      anomalies: differences between the examples and the schema, one line each.
    """

    counts: Mapping[str, int]
    by_class: Mapping[str, Sequence[int]]
    quarantine: Sequence[Mapping[str, Any]] = ()
    anomalies: Sequence[str] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Issues:
    """What DataCheck found.

    Attributes:
      records: the rows of DataCheck's list, the most severe of each kind first.
      examined: descriptions of the kinds of issues that were checked, by kind.
      thumbnails: small copies of images that issues name, by file name; some may be missing.
    """

    records: Sequence[Mapping[str, Any]]
    examined: Mapping[str, str]
    thumbnails: Mapping[str, "Thumbnail"] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curves:
    """The curves of a training.

    Attributes:
      steps: records with `step` and the metrics of one training step.
      epochs: records with `step` and the metrics of an epoch, including validation metrics.
    """

    steps: Sequence[Mapping[str, float]]
    epochs: Sequence[Mapping[str, float]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """The verdict on the model, and the result of the push.

    Attributes:
      blessed: whether the gate blessed the model.
      reasons: the reasons why the gate did not bless the model; empty if it did.
      limits: each limit of the gate with the measured value, in words.
      floor: the required accuracy; None if the floor is not known.
      comparison: the comparison with the champion, in words; empty if there is no champion.
      warnings: reasons to doubt the gate's verdict, one line each.
      pushed_to: the directory or endpoint that the model was pushed to; empty if the model was not
        pushed.
      version: the version that was pushed; empty if no version was pushed.
      was_served: whether the model was served already.
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
    """The time and the memory of a node, as recorded where the node ran.

    Attributes:
      node: the name of the node.
      seconds: the duration of the node.
      peak_mb: the peak memory of the node's process, in MiB; 0 if it is unknown.
      cached: whether this run took its outputs from an earlier run.
      started: the start of the node, such as 2026-01-31 12:00:00 UTC.
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
      images: some images of the class, by file name.
    """

    name: str
    total: int
    images: Mapping[str, Thumbnail]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contents:
    """All contents of the report of a run.

    Attributes:
      settings: the run's options and its lineage.
      made_at: time at which the report was written, such as 2026-01-31 12:00:00 UTC.
      versions: versions of installed libraries by name.
      stopped: the reason why the run stopped early; empty if it ran to its end.
      is_inspection: whether the run only checks the images (`--inspect`), without training.
      sheets: some images of each class; empty unless the run is an inspection.
      data: the images; None if no images were read.
      issues: the issues that DataCheck found; None if DataCheck did not run.
      curves: the curves of the training; None without a training.
      answers: the answers to the test images; None without an evaluation.
      verdict: the verdict on the model; None if the run was stopped.
      thumbnails: small copies of test images with wrong answers, by file name.
      heat_maps: heat maps of some of these images; None if Evaluator made no heat maps.
      warning: Transform's warning about the backbone; empty without a warning.
      nodes: time and memory of the nodes, in the order in which they ran.
      artifacts: paths or URIs of the artifacts, by node and output.
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
