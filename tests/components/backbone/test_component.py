import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from components.backbone.component import Backbone


@pytest.mark.parametrize(
    ("precision", "dtype"), [("float32", tf.float32), ("mixed_bfloat16", tf.bfloat16)]
)
def test_the_artifact_is_the_backbone_in_the_precision_asked_for(
    tmp_path, monkeypatch, precision, dtype
):
    monkeypatch.setenv("VIT_HOME", str(tmp_path / "home"))
    artifact = standard_artifacts.Model()
    artifact.uri = str(tmp_path / "artifact")
    properties = {"model": "vit_mini_fe", "weights": "pretrained", "precision": precision}
    executor = Backbone.EXECUTOR_SPEC.executor_class()
    more = {"trusted": 0, "fingerprint": "any"}
    executor.Do({}, {"backbone": [artifact]}, properties | more)

    model = tf.saved_model.load(artifact.uri)
    graph = model.signatures["serving_default"].graph.as_graph_def()
    nodes = [node for function in graph.library.function for node in function.node_def]
    products = {node.attr["T"].type for node in nodes if "MatMul" in node.op}
    assert products == {dtype.as_datatype_enum}
    assert {variable.dtype for variable in model.variables} == {tf.float32}
