"""For each node, the execution properties whose values are known only when a run begins."""

import dataclasses

from components.property_value import PropertyValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExampleGenProperties:
    """Execution properties of ImageExampleGen.

    Attributes:
      source: argument of `components.image_example_gen.sources.registry.make_source`, as JSON.
      classes: the class names, as JSON.
      source_fingerprint: fingerprint of the images.
      code_fingerprint: fingerprint of the node's code.
      unread_notes: directory of notes about images that could not be read.
      listing: path of the list of images, which was written when the run began.
    """

    source: PropertyValue
    classes: PropertyValue
    source_fingerprint: PropertyValue
    code_fingerprint: PropertyValue
    unread_notes: PropertyValue
    listing: PropertyValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class ValidationProperties:
    """Execution properties of StatisticsGen, SchemaGen and ExampleValidator.

    Attributes:
      library_fingerprint: fingerprint of the libraries that the three nodes use.
      check_fingerprint: fingerprint of the code of ExampleValidator.
      champion_counts: the number of training images of each class in the data of the champion, as
        JSON: see `components.example_check.component.ExampleCheck`.
    """

    library_fingerprint: PropertyValue
    check_fingerprint: PropertyValue
    champion_counts: PropertyValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataCheckProperties:
    """Execution properties of DataCheck.

    Attributes:
      code_fingerprint: fingerprint of the node's code.
    """

    code_fingerprint: PropertyValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class SchemaProperties:
    """Execution properties of PackagedSchema.

    Attributes:
      content: the text of the schema; empty if the schema is inferred.
      code_fingerprint: fingerprint of the node's code.
    """

    content: PropertyValue
    code_fingerprint: PropertyValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class BackboneProperties:
    """Execution properties of Backbone.

    Attributes:
      fingerprint: fingerprint of the SavedModel.
    """

    fingerprint: PropertyValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransformProperties:
    """Execution properties of Transform.

    Attributes:
      custom_config: `trainer.transform_settings.TransformSettings`, as JSON.
    """

    custom_config: PropertyValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class TunerProperties:
    """Execution properties of Tuner.

    Attributes:
      custom_config: `trainer.training.settings.TunerSettings`, as JSON.
    """

    custom_config: PropertyValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainerProperties:
    """Execution properties of Trainer.

    Attributes:
      custom_config: `trainer.training.settings.TrainerSettings`, as JSON.
    """

    custom_config: PropertyValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluatorProperties:
    """Execution properties of Evaluator.

    Attributes:
      eval_config: TFMA's EvalConfig, as JSON.
      champion: URI of the record of the last blessed model of another training, or
        `components.model_evaluator.records.NONE`.
      records: directory in which a blessing is recorded.
      training: fingerprint of the training that makes the model.
      data: fingerprint of the examples.
      gate: `components.model_evaluator.settings.GateSettings`, as JSON.
      code_fingerprint: fingerprint of the node's code.
    """

    eval_config: PropertyValue
    champion: PropertyValue
    records: PropertyValue
    training: PropertyValue
    data: PropertyValue
    gate: PropertyValue
    code_fingerprint: PropertyValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServingCheckProperties:
    """Execution properties of ServingCheck.

    Attributes:
      settings: `components.serving_check.settings.ServingCheckSettings`, as JSON.
    """

    settings: PropertyValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class PusherProperties:
    """Execution properties of Pusher.

    Attributes:
      push_destination: TFX's PushDestination, as JSON.
      custom_config: `components.model_pusher.settings.PusherSettings`, as JSON.
    """

    push_destination: PropertyValue
    custom_config: PropertyValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReportProperties:
    """Execution properties of Report.

    Attributes:
      settings: `components.report.settings.ReportSettings`, as JSON.
      code_fingerprint: fingerprint of the node's code.
    """

    settings: PropertyValue
    code_fingerprint: PropertyValue
