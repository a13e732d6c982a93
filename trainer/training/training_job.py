"""One training job: what the pipeline hands over, and the model that comes of it."""

import dataclasses
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from backbones.contract import Shapes, load_backbone, read_shapes
from backbones.input_range import DEFAULT_RANGE
from trainer.decoding.image_file import Limits
from trainer.input.augmentation import Augmentation
from trainer.input.dataset import TrainingData, read_features, validation_batches
from trainer.input.transform_graph import TransformGraph
from trainer.model.classifier import make_classifier, make_probe
from trainer.model.linear_probe import fit_linear_probe
from trainer.serving.calibration import NOTHING_ACCEPTED, Calibration, calibrate
from trainer.serving.export import ServedClassifier
from trainer.training.checkpoints import has_checkpoint
from trainer.training.hyperparameters import OPERATIONAL, Hyperparameters
from trainer.training.loop import Fitted, fit
from trainer.training.strategy import broadcast_from_chief, worker_of

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the pipeline tells Trainer and Tuner, as their `custom_config`.

    Attributes:
      tune: "full" or "head".
      classes: the class names.
      hyperparameters: of the training.
      augmentation: of training images, for tune "full".
      limits: of large images, as ImageExampleGen has them: for the exported model.
      input_range: of the pixels that the backbone expects, see `backbones.input_range`.
      precision: wanted share of right answers among those that the exported model accepts; None
        accepts all.
    """

    tune: str
    classes: Sequence[str]
    hyperparameters: Hyperparameters
    augmentation: Augmentation
    limits: Limits
    input_range: str = DEFAULT_RANGE
    precision: float | None = None

    @classmethod
    def of(cls, custom_config: Mapping[str, Any]) -> "Settings":
        """From the `custom_config` that TFX hands over."""
        return cls(
            custom_config["tune"],
            tuple(custom_config["classes"]),
            Hyperparameters(**custom_config["hyperparameters"]),
            Augmentation(**custom_config["augmentation"]),
            Limits(**custom_config["limits"]),
            custom_config["input_range"],
            custom_config["precision"],
        )

    def determining(self) -> dict[str, Any]:
        """What of them determines the trained weights, as JSON can say it.

        The limits do by the examples alone, and the precision does not.
        """
        values = dataclasses.asdict(self)
        del values["limits"], values["precision"]
        for name in OPERATIONAL:
            del values["hyperparameters"][name]
        return values

    def changed(self, values: Mapping[str, Any]) -> "Settings":
        """With other values for some options.

        Args:
          values: by key, such as `train.learning_rate`.
        """

        def group(prefix: str) -> dict[str, Any]:
            start = f"{prefix}."
            return {k.removeprefix(start): v for k, v in values.items() if k.startswith(start)}

        return dataclasses.replace(
            self,
            hyperparameters=dataclasses.replace(self.hyperparameters, **group("train")),
            augmentation=dataclasses.replace(self.augmentation, **group("augment")),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """A training, short of where it is computed.

    Attributes:
      settings: how.
      graph: what Transform wrote.
      backbone: directory of its SavedModel.
      train_files: of the training split: raw examples for tune "full", transformed for "head".
      validation_files: of the validation split, likewise.
      examples: number of training examples.
    """

    settings: Settings
    graph: TransformGraph
    backbone: str
    train_files: Sequence[str]
    validation_files: Sequence[str]
    examples: int

    def make_model(self) -> keras.Model:
        """The untrained model, which gives logits; made in the scope of a strategy."""
        classes = len(self.settings.classes)
        if self.settings.tune == "head":
            return make_probe(self._shapes.features, classes)
        backbone = load_backbone(self.backbone)
        return make_classifier(backbone, self._shapes, classes, self.settings.input_range)

    def fit(self, strategy: tf.distribute.Strategy, checkpoints: str, log_dir: str) -> Fitted:
        """Trains by gradient descent; see `trainer.training.loop.fit`.

        Args:
          strategy: where.
          checkpoints: directory of this training's.
          log_dir: for `history.json` and TensorBoard.
        """
        hyperparameters = self.settings.hyperparameters
        keras.utils.set_random_seed(hyperparameters.seed)
        with strategy.scope():
            model = self.make_model()
        if hyperparameters.head == "linear_probe" and not has_checkpoint(checkpoints):
            self.probe(model, strategy, log_dir)
        train = TrainingData(
            files=self.train_files,
            examples=self.examples,
            classes=len(self.settings.classes),
            seed=hyperparameters.seed,
            tune=self.settings.tune,
            graph=self.graph,
            image_shape=(self._shapes.height, self._shapes.width),
            augmentation=self.settings.augmentation,
        )
        parts = hyperparameters.accumulation * strategy.num_replicas_in_sync
        validation = validation_batches(
            self.validation_files,
            self.graph,
            tune=self.settings.tune,
            classes=len(self.settings.classes),
            batch_size=max(hyperparameters.batch_size // parts, 1),
        )
        return fit(
            model,
            train,
            validation,
            hyperparameters=hyperparameters,
            strategy=strategy,
            checkpoints=checkpoints,
            log_dir=log_dir,
        )

    def probe(self, model: keras.Model, strategy: tf.distribute.Strategy, log_dir: str) -> None:
        """Sets the head of `model` by logistic regression; see `trainer.model.linear_probe`.

        Args:
          model: of `make_model`.
          strategy: whose scope it was made in. Of several workers the chief finds the head.
          log_dir: for what was tried.
        """
        head = model.get_layer("head")
        if worker_of(strategy)[0] == 0:
            read = read_features if self.settings.tune == "head" else self._features_of(model)
            fit_linear_probe(
                head,
                read(self.train_files, self.graph),
                read(self.validation_files, self.graph),
                balanced=self.settings.hyperparameters.class_weights,
                log_dir=log_dir,
            )
        head.set_weights(broadcast_from_chief(strategy, head.get_weights()))

    def _features_of(self, model: keras.Model) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
        """Reads images, without augmentation, as the model's backbone sees them."""
        backbone = tf.function(model.get_layer("backbone"), reduce_retracing=True)

        def read(files: Sequence[str], graph: TransformGraph) -> tuple[tf.Tensor, tf.Tensor]:
            batches = validation_batches(
                files, graph, tune="full", classes=len(self.settings.classes), batch_size=32
            )
            parts = [(backbone(images), tf.argmax(labels, -1)) for images, labels in batches]
            features, labels = zip(*parts, strict=True)
            return tf.concat(features, 0), tf.concat(labels, 0)

        return read

    def export(self, model: keras.Model, directory: str) -> None:
        """Writes the SavedModel with its three signatures: of a copy without a strategy."""
        plain = self.make_model()
        for variable, trained in zip(plain.variables, model.variables, strict=True):
            variable.assign(trained.numpy())
        if self.settings.tune == "head":
            backbone = self.graph.frozen_backbone
            to_features = backbone.from_pixels
        else:
            to_features = plain.get_layer("backbone")
            backbone = to_features.backbone
        ServedClassifier(
            to_features=to_features,
            head=plain.get_layer("head"),
            backbone=backbone,
            classes=self.settings.classes,
            image_shape=(self._shapes.height, self._shapes.width),
            limits=self.settings.limits,
            calibration=self._calibrate(plain),
        ).save(directory)

    def _calibrate(self, model: keras.Model) -> Calibration:
        """By the validation split: its features where the head is tuned, else its images."""
        batches = validation_batches(
            self.validation_files,
            self.graph,
            tune=self.settings.tune,
            classes=len(self.settings.classes),
            batch_size=32,
        )
        to_logits = tf.function(model, reduce_retracing=True)
        parts = [(to_logits(inputs).numpy(), labels.numpy()) for inputs, labels in batches]
        logits, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
        calibration = calibrate(logits, labels.argmax(-1), self.settings.precision)
        logger.info("%s on %d validation images", calibration, len(labels))
        if calibration.threshold == NOTHING_ACCEPTED:
            logger.warning(
                "No probability is so high that %g of the answers above it are right on the "
                "validation split: the model will accept no answer. Lower serve.precision.",
                self.settings.precision,
            )
        return calibration

    @property
    def _shapes(self) -> Shapes:
        return read_shapes(self.backbone)


def backbone_directory(base_model: str) -> str:
    """The SavedModel directory of the `base_model` artifact.

    TFX expects a Model artifact to have its SavedModel in a folder of its own, which a backbone's
    directory has not.
    """
    own = os.path.dirname(base_model)
    return own if tf.io.gfile.exists(os.path.join(own, "saved_model.pb")) else base_model
