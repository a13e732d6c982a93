from tfx.proto.orchestration import execution_result_pb2
from tfx.types import standard_artifacts

from components.node_usage import USAGE, read_usage, record_usage


def test_every_output_has_the_usage_of_its_node_even_if_the_executor_returns_copies():
    """TFX's ExampleValidator returns copies of its output artifacts.

    TFX stores the artifacts that an executor returns, so a node's time and memory must be recorded
    in the copies, too. Source: tfx/components/example_validator/executor.py.
    """
    anomalies, model = standard_artifacts.ExampleAnomalies(), standard_artifacts.Model()

    def do(inputs, outputs, properties):
        result = execution_result_pb2.ExecutorOutput()
        result.output_artifacts["anomalies"].artifacts.append(anomalies.mlmd_artifact)
        return result

    outputs = {"anomalies": [anomalies], "model": [model]}
    result = record_usage(do, "run 7")({}, outputs, {})
    assert read_usage(anomalies) == read_usage(model)
    assert read_usage(model).run == "run 7"
    (copy,) = result.output_artifacts["anomalies"].artifacts
    assert copy.custom_properties[USAGE].string_value == model.get_string_custom_property(USAGE)
