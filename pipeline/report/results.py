"""Describes the results of a run in detail, for the log.

This module does not import TensorFlow, which takes seconds to import.
"""

from collections.abc import Iterator, Mapping
from typing import Any


def describe_results(report: Any) -> Iterator[str]:
    """Yields lines about the artifacts and the results of a run, for the log.

    `Console.summary` itself logs the accuracy and the verdict of the gate.

    Args:
      report: a `pipeline.report.outcome.Report`.
    """
    for name, uri in report.artifacts.items():
        yield f"artifact {name}: {uri}"
    yield describe_counts(report.images)
    name, recall, images = report.worst_class
    yield f"worst class: {name}, recall {recall:.4f} on {images} images"
    yield from _describe_calibration(report.calibration)
    yield from _describe_gate(report.gate)
    yield from _describe_serving(report.serving)


def describe_counts(counts: Mapping[str, int]) -> str:
    """Returns a line such as `images: 600 read: 470 train, 70 validation, 59 test, 1 quarantined`.

    Args:
      counts: the result of `components.image_example_gen.counts.read_counts`.
    """
    splits = dict(counts)
    read, quarantined = splits.pop("read"), splits.pop("quarantine")
    described = ", ".join(f"{count} {split}" for split, count in splits.items())
    return f"images: {read} read: {described}, {quarantined} quarantined"


def _describe_calibration(calibration: Any) -> Iterator[str]:
    yield (
        f"calibration: expected error {calibration['expected_calibration_error']:.4f}, "
        f"negative log likelihood {calibration['negative_log_likelihood']:.4f}"
    )
    if (coverage := calibration["coverage"]) < 1:
        right = calibration["accepted_accuracy"]
        yield (
            f"accepted answers: {coverage:.1%} of the test images, accuracy {right:.4f}"
            if coverage
            else "accepted answers: none"
        )


def _describe_gate(verdict: Any) -> Iterator[str]:
    """Yields lines that compare the model with the gate's limits and with the last blessed model.

    Args:
      verdict: a `components.model_evaluator.verdict.Verdict`.
    """
    if verdict.top5 is not None:
        yield f"top-5 accuracy: {verdict.top5:.4f}"
    for limit in verdict.limits:
        # This loop yields no lines about the recall of classes, because the reasons of the verdict,
        # which the console also shows, name all classes whose recall is too low.
        if not limit.name.startswith("recall of "):
            yield f"gate: {limit.describe()}"
    if (comparison := verdict.comparison) is not None:
        yield (
            f"champion: accuracy {comparison.champion_accuracy:.4f}; the new model is "
            f"{comparison.describe()}"
        )


def _describe_serving(findings: Any) -> Iterator[str]:
    """Yields a line about the latency and the memory of the exported model.

    Args:
      findings: `components.serving_check.findings.Findings`.
    """
    parts = [
        f"{size} image{'s' * (size != '1')} in {found['p50']:.0f} ms (p99 {found['p99']:.0f})"
        for size, found in findings.latency_ms.items()
    ]
    # If ServingCheck could not load the model, it measured no latencies, and this function yields
    # no line.
    if parts:
        yield f"serving: {', '.join(parts)}; peak memory {findings.peak_memory_gb:.1f} GB"
