"""Executor of `ExampleCheck`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tfx import types
from tfx.components.example_validator import executor
from tfx.types import artifact_utils
from tfx.types.standard_component_specs import ANOMALIES_KEY, SCHEMA_KEY
from tfx.utils import io_utils

from common.errors import RefusedError
from common.notice import print_notice
from components.example_check.anomalies import add_findings, find_anomalies
from components.example_check.drift import find_drift
from components.example_check.findings import Finding, format_table
from components.example_check.quarantine import check_quarantine, find_dark_images
from components.image_example_gen.counts import read_counts_of_classes

EXAMPLES_KEY = "examples"
_TRAIN = "train"


class Executor(executor.Executor):
    """TFX's executor of ExampleValidator, extended to raise an error if there are anomalies."""

    def Do(  # noqa: N802 (TFX requires this name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> Any:
        """Writes the anomalies of each split in TFX's format, and prints a table of them.

        Raises:
          RefusedError: too many images are quarantined, or there are anomalies and
            `allow_anomalies` is not set.
        """
        examples = artifact_utils.get_single_uri(input_dict[EXAMPLES_KEY])
        classes = json.loads(exec_properties["classes"])
        check_quarantine(examples, classes, exec_properties["max_quarantined"])
        given = {key: value for key, value in input_dict.items() if key != EXAMPLES_KEY}
        result = super().Do(given, output_dict, {})
        anomalies = artifact_utils.get_single_instance(output_dict[ANOMALIES_KEY])
        uri = io_utils.get_only_uri_in_dir(artifact_utils.get_single_uri(input_dict[SCHEMA_KEY]))
        schema = io_utils.SchemaReader().read(uri)
        beside_schema = [
            *_find_drift(examples, classes, exec_properties),
            *find_dark_images(examples),
        ]
        findings = [*find_anomalies(anomalies, schema), *beside_schema]
        add_findings(anomalies, _TRAIN, beside_schema)
        for line in format_table(findings):
            print_notice(line)
        if findings and not exec_properties["allow_anomalies"]:
            raise RefusedError(_describe(findings))
        return result


def _describe(findings: Sequence[Finding]) -> str:
    """Returns the error message of a stopped run.

    The message contains the first finding, because the report of the run shows this message, but
    not the table of all findings.
    """
    first = findings[0]
    more = f", and {len(findings) - 1} more in the table above" if len(findings) > 1 else ""
    return (
        f"anomaly in the data: {first.what} ({first.where}): found {first.found.rstrip('.')}; "
        f"expected {first.expected}{more}; correct the data or the schema, or continue with "
        "--allow-anomalies"
    )


def _find_drift(
    examples: str, classes: Sequence[str], exec_properties: Mapping[str, Any]
) -> Iterator[Finding]:
    before = json.loads(exec_properties["champion_counts"])
    if before is None:
        return
    if not before:
        print_notice(
            "The class balance is not compared with that of the champion's data: an earlier "
            "version of the pipeline recorded the champion without numbers of images."
        )
        return
    now = read_counts_of_classes(examples, len(classes))[_TRAIN]
    yield from find_drift(classes, now, before, exec_properties["max_drift"])
