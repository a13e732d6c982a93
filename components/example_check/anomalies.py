"""Reads the anomalies that TFDV found in the statistics of the examples."""

from collections.abc import Iterable, Iterator

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tfx import types
from tfx.components.example_validator.executor import DEFAULT_FILE_NAME
from tfx.dsl.io import fileio
from tfx.types import artifact_utils

from components.example_check.findings import Finding

_MOST = 100  # longer descriptions of features are cut to this number of characters


def read_anomalies(artifact: types.Artifact) -> Iterator[tuple[str, anomalies_pb2.Anomalies]]:
    """Yields the name and the anomalies of each split of an ExampleAnomalies artifact."""
    for split in artifact_utils.decode_split_names(artifact.split_names):
        uri = artifact_utils.get_split_uri([artifact], split)
        with fileio.open(f"{uri}/{DEFAULT_FILE_NAME}", "rb") as file:
            yield split, anomalies_pb2.Anomalies.FromString(file.read())


def find_anomalies(artifact: types.Artifact, schema: schema_pb2.Schema) -> Iterator[Finding]:
    """Yields a `Finding` for each anomaly of each split.

    Args:
      artifact: the ExampleAnomalies artifact.
      schema: the schema with which TFDV compared the examples.
    """
    features = {feature.name: feature for feature in schema.feature}
    for split, anomalies in read_anomalies(artifact):
        for name, anomaly in sorted(anomalies.anomaly_info.items()):
            yield Finding(
                anomaly.short_description,
                f"{split}, feature {name}",
                _describe(features.get(name)),
                " ".join(anomaly.description.split()),
            )
        if anomalies.HasField("dataset_anomaly_info"):
            found = anomalies.dataset_anomaly_info
            yield Finding(
                found.short_description,
                f"{split}, all examples",
                "by the schema",
                " ".join(found.description.split()),
            )


def add_findings(artifact: types.Artifact, split: str, findings: Iterable[Finding]) -> None:
    """Adds findings from other checks to TFDV's anomalies of a split, so that reports show them.

    Args:
      artifact: the ExampleAnomalies artifact.
      split: name of the split.
      findings: the findings to add, each with a different value of `what`.
    """
    path = f"{artifact_utils.get_split_uri([artifact], split)}/{DEFAULT_FILE_NAME}"
    with fileio.open(path, "rb") as file:
        anomalies = anomalies_pb2.Anomalies.FromString(file.read())
    for finding in findings:
        added = anomalies.anomaly_info[finding.what]
        added.short_description = finding.found
        added.description = f"expected {finding.expected}; found {finding.found}"
        added.severity = anomalies_pb2.AnomalyInfo.ERROR
    with fileio.open(path, "wb") as file:
        file.write(anomalies.SerializeToString())


def _describe(feature: schema_pb2.Feature | None) -> str:
    """Returns what the schema expects of a feature, in one line."""
    if feature is None:
        return "no such feature"
    text = text_format.MessageToString(feature, as_one_line=True)
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"
