"""For each node, the execution properties whose values are known only when a run begins."""

import dataclasses

from components.property_value import PropertyValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExampleGenProperties:
    """Execution properties of ImageExampleGen.

    Attributes:
      source: the dataset, as the JSON of the dictionary that
        `components.image_example_gen.sources.registry.make_source` takes.
      classes: the class names, as JSON.
      source_fingerprint: fingerprint of the images.
      code_fingerprint: fingerprint of the node's code.
      unread_notes: directory of JSON files, which list the images that earlier runs could not read.
      listing: path of the list of all images, which was written when the run began.
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
      library_fingerprint: fingerprint of the versions of TFX and TFDV.
      check_fingerprint: fingerprint of the code of ExampleValidator.
      champion_counts: the number of images of each class on which the champion was trained, as JSON
        (see `components.example_check.component.ExampleCheck`).
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
      content: the text of the schema; empty if SchemaGen infers the schema.
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
      champion: URI of the JSON file about the champion, the model with which Evaluator compares the
        new model. The champion is the last blessed model that was trained with other options, code
        or data than the new model. If there is no champion, the value is the constant
        `components.model_evaluator.records.NONE`.
      records: directory in which Evaluator writes a JSON file about each blessed model.
      training: fingerprint of the options, code and data that determine the new model.
      data: fingerprint of the options, code and data that determine the examples.
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
