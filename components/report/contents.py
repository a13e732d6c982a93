"""What a report says, as data; the page and the model card are drawn from nothing else.

Imports neither TensorFlow nor TFX. A part that a run did not reach is None or empty.
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
      records: the rows of its list, the worst of each kind first.
      examined: what it looked for, in words, by kind of issue.
      thumbnails: images that issues name, by file name; some may be missing.
    """

    records: Sequence[Mapping[str, Any]]
    examined: Mapping[str, str]
    thumbnails: Mapping[str, "Thumbnail"] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curves:
    """The curves of a training.

    Attributes:
      steps: records with `step` and the metrics of one training step.
      epochs: records with `step` and the metrics of an epoch, also of validation.
    """

    steps: Sequence[Mapping[str, float]]
    epochs: Sequence[Mapping[str, float]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """How the run ended.

    Attributes:
      blessed: whether the gate blessed the model.
      reasons: why it did not; empty if it did.
      limits: each limit of the gate with the measured value, in words.
      floor: the required accuracy; None if that is not known.
      comparison: the comparison with the champion, in words; empty if there is no champion.
      warnings: what is unsure about the gate's verdict, one line each.
      pushed_to: the directory or endpoint that the model was pushed to; empty if it was not.
      version: the version that was pushed; empty if none was.
      was_served: whether the model was served already.
      unpushed: why a blessed model was not pushed; empty if it was.
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
    """What a node took, as recorded where it ran.

    Attributes:
      node: its name.
      seconds: how long it ran.
      peak_mb: the most memory that its process held at once, in MiB; 0 where that is unknown.
      cached: whether this run took its outputs from an earlier run.
      started: when it ran, such as 2026-01-31 12:00:00 UTC.
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
      jpeg: the encoded image.
      width: in pixels.
      height: in pixels.
    """

    jpeg: bytes
    width: int
    height: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContactSheet:
    """Some images of a class.

    Attributes:
      name: of the class.
      total: the number of its training images.
      images: some of them, by file name.
    """

    name: str
    total: int
    images: Mapping[str, Thumbnail]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Contents:
    """All that a report says of a run.

    Attributes:
      settings: the run's options and its lineage.
      made_at: time at which the report was written, such as 2026-01-31 12:00:00 UTC.
      versions: versions of installed libraries by name.
      stopped: why the run ended before its end; empty if it did not.
      is_inspection: whether the images were only looked at, and no model is meant to be trained.
      sheets: some images of each class; empty unless it is an inspection.
      data: the images; None if none were read.
      issues: of DataCheck; None if it did not run.
      curves: of the training; None without one.
      answers: to the test images; None without an evaluation.
      verdict: how the run ended; None where it was stopped.
      thumbnails: of test images with wrong answers, by file name.
      heat_maps: of some of them; None if Evaluator made none.
      warning: what Transform found out about the backbone; empty for nothing.
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
