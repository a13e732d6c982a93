"""Compares the class balance of the train split with that of the champion's training data."""

from collections.abc import Iterator, Sequence

# Import TFX before TFDV. TFDV imports the module tfx_bsl.arrow.sql_util, which the installed
# tfx_bsl lacks, but TFX puts a mock in place of this module.
from tfx.components.example_validator import executor  # noqa: F401 (isort: keep first)

import tensorflow_data_validation as tfdv  # isort: skip
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components.example_check.findings import Finding

_LABEL = "label"
_SHOWN = 3  # classes


def find_drift(
    classes: Sequence[str], now: Sequence[int], before: Sequence[int], limit: float
) -> Iterator[Finding]:
    """Yields a `Finding` if the class balance differs from the champion's by more than `limit`.

    TFDV's drift comparator computes the Jensen-Shannon divergence (with logarithms to base 2) of
    the class shares. The divergence is 0 if the shares are equal, and 1 if the two datasets have no
    class in common.

    The function does not use the L-infinity distance (the largest change of a share), because no
    limit on the L-infinity distance suits all datasets: 20 of 200 classes can vanish without any
    share changing by more than 0.01, but with 2 classes and 40 images, chance alone can change a
    share by 0.1.

    Args:
      classes: the class names.
      now: for each class, the number of training images in this run.
      before: for each class, the number of images on which the champion was trained.
      limit: the largest allowed divergence, in [0, 1].
    """
    if not sum(now) or not sum(before):
        return
    feature = schema_pb2.Feature(name=_LABEL, type=schema_pb2.BYTES)
    feature.drift_comparator.jensen_shannon_divergence.threshold = limit
    anomalies = tfdv.validate_statistics(
        _statistics(now),
        schema_pb2.Schema(feature=[feature]),
        previous_statistics=_statistics(before),
    )
    (measured,) = anomalies.drift_skew_info[0].drift_measurements
    if _LABEL in anomalies.anomaly_info:
        yield Finding(
            "class balance",
            "train, feature label",
            f"the champion's, with a divergence of at most {limit:g} (data.max_drift)",
            f"divergence {measured.value:.2g}: {_describe_changes(classes, now, before)}",
        )


def _statistics(counts: Sequence[int]) -> statistics_pb2.DatasetFeatureStatisticsList:
    """Converts the number of images of each class to TFDV's statistics of the feature `label`.

    The label statistics that TFDV computes from the examples cannot be used, because they contain
    only the 1,000 most frequent labels.
    """
    total = sum(counts)
    statistics = statistics_pb2.DatasetFeatureStatisticsList()
    feature = statistics.datasets.add(num_examples=total).features.add(
        type=statistics_pb2.FeatureNameStatistics.STRING
    )
    feature.path.step.append(_LABEL)
    values = feature.string_stats
    values.common_stats.num_non_missing = values.common_stats.tot_num_values = total
    values.common_stats.min_num_values = values.common_stats.max_num_values = 1
    # Skip empty classes: the drift comparator fails if a bucket of the histogram is empty.
    for label, count in enumerate(counts):
        if count:
            values.rank_histogram.buckets.add(label=str(label), sample_count=count)
    values.unique = len(values.rank_histogram.buckets)
    return statistics


def _describe_changes(classes: Sequence[str], now: Sequence[int], before: Sequence[int]) -> str:
    """Names the classes whose shares changed most, with their old and new shares."""
    changes = [
        (old / sum(before), new / sum(now), name)
        for name, new, old in zip(classes, now, before, strict=True)
    ]
    changes.sort(key=lambda change: -abs(change[1] - change[0]))
    shown = ", ".join(
        f"{name} {100 * new:.3g} % of the images instead of {100 * old:.3g} %"
        for old, new, name in changes[:_SHOWN]
    )
    return shown + (", …" if len(changes) > _SHOWN else "")
