"""The options of ImageExampleGen, which converts images to tf.Examples."""

import dataclasses
from typing import Literal

from common.options import AT_LEAST_ONE, FRACTION, WHOLE, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Splits:
    """The names that a dataset uses for the train, validation and test splits.

    Depending on the dataset, a split's name is the name of a folder, the name of a TFRecord file,
    or a value in a manifest.
    """

    train: tuple[str, ...] = option(
        "the folders, record files or manifest values that form the train split; folders that are "
        "in no split are left out",
        default=(),
        is_list=True,
    )
    validation: tuple[str, ...] = option(
        "the folders, record files or manifest values that form the validation split",
        default=(),
        is_list=True,
    )
    test: tuple[str, ...] = option(
        "the folders, record files or manifest values that form the test split",
        default=(),
        is_list=True,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Features:
    """The names of the features in a dataset of TFRecords."""

    image: str | None = option("feature of the encoded image in TFRecords", default=None)
    label: str | None = option("feature of the label in TFRecords", default=None)
    name: str | None = option("feature of the file name in TFRecords", default=None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ingest:
    """The options of ImageExampleGen, which converts images to tf.Examples."""

    layout: Literal["auto", "classes", "splits"] = option(
        "meaning of the folders in --dataset: classes, or splits that contain classes (auto: "
        "decided by their names)",
        default="auto",
    )
    splits: Splits = dataclasses.field(default_factory=Splits)
    classes: tuple[str, ...] = option(
        "the class names in the order of their labels, also of classes without an image (default: "
        "the class names in the data, sorted)",
        default=(),
        is_list=True,
    )
    split_by: Literal["content", "near_duplicates"] = option(
        "which images always stay in the same split, if the data give no splits: images with the "
        "same bytes (content), or also images that look the same (near_duplicates; decodes each "
        "image once more)",
        default="content",
    )
    drop_duplicates: bool = option(
        "leave out training images that are also in another given split, and images that are in "
        "several classes",
        default=False,
    )
    features: Features = dataclasses.field(default_factory=Features)
    max_side: int = option(
        "longest side of an image in pixels; larger images are scaled down",
        default=1024,
        check=AT_LEAST_ONE,
    )
    max_pixels: int = option(
        "largest number of pixels of an image; a larger image is refused after reading its header, "
        "in ingestion and in serving",
        default=100_000_000,
        check=AT_LEAST_ONE,
    )
    max_quarantined: float = option(
        "largest share of images in quarantine for which a run continues",
        default=0.05,
        check=FRACTION,
    )
    allow_anomalies: bool = option(
        "continue if the data differ from their schema, if their class balance drifted "
        "(data.max_drift), or if most 16-bit images are nearly black",
        default=False,
    )
    max_value: int = option(
        "the value of white in images of more than 8 bits per channel, such as 4095 for a 12-bit "
        "camera; 0: the value that the file states, or 65535 for 16 bits",
        default=0,
        check=WHOLE,
    )
