"""Executor of `ExampleCheck`."""

import json
from typing import Any

from tfx import types
from tfx.components.example_validator import executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.standard_component_specs import ANOMALIES_KEY, SCHEMA_KEY
from tfx.utils import io_utils

from common.errors import RefusedError
from common.notice import notice
from components.example_check.anomalies import find_anomalies
from components.example_check.findings import format_table
from components.example_check.quarantine import check_quarantine, find_dark_images

EXAMPLES_KEY = "examples"


class Executor(executor.Executor):
    """TFX's executor of ExampleValidator; fails if the data are not what they should be."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> Any:
        """Writes the anomalies of each split as TFX does, and says what it found.

        Raises:
          RefusedError: too many images are in quarantine; or there are anomalies, and they are not
            allowed.
        """
        examples = artifact_utils.get_single_uri(input_dict[EXAMPLES_KEY])
        classes = json.loads(exec_properties["classes"])
        check_quarantine(examples, classes, exec_properties["max_quarantined"])
        given = {key: value for key, value in input_dict.items() if key != EXAMPLES_KEY}
        result = super().Do(given, output_dict, {})
        anomalies = artifact_utils.get_single_instance(output_dict[ANOMALIES_KEY])
        uri = io_utils.get_only_uri_in_dir(artifact_utils.get_single_uri(input_dict[SCHEMA_KEY]))
        schema = io_utils.SchemaReader().read(uri)
        findings = [*find_anomalies(anomalies, schema), *find_dark_images(examples)]
        for line in format_table(findings):
            notice(line)
        if findings and not exec_properties["allow_anomalies"]:
            fileio.rmtree(anomalies.uri)
            raise RefusedError(
                f"{len(findings)} anomalies in the data: the lines above say what was found and "
                "what was expected; mend the data or the schema, or go on with --allow-anomalies"
            )
        return result
