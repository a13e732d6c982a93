"""Runs a training with given settings and files, and exports the trained model."""

import dataclasses
import logging
import os
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from backbones.contract import Shapes, load_backbone
from common.lease import Lease
from common.saved_model import GRAPH_FILE
from trainer.input.class_counts import read_class_counts
from trainer.input.dataset import TrainingData, read_features, validation_batches
from trainer.input.transform_graph import TransformGraph
from trainer.model.classifier import make_classifier, make_probe
from trainer.model.linear_probe import fit_linear_probe
from trainer.serving.calibration import NOTHING_ACCEPTED, Calibration, calibrate
from trainer.serving.export import ServedClassifier
from trainer.training.checkpoints import has_checkpoint
from trainer.training.loop import Fitted, fit
from trainer.training.run_label import RunLabel
from trainer.training.settings import ServingSettings, TrainingSettings
from trainer.training.strategy import broadcast_from_chief, worker_index

logger = logging.getLogger(__name__)

# A function that maps a batch of inputs to a batch of outputs.
ToOutputs = Callable[[tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """A training: its settings, data files and backbone.

    Attributes:
      settings: the settings of the training.
      graph: the transform graph.
      backbone: directory of the backbone's SavedModel.
      shapes: the backbone's image size and its number of features. A search reads `shapes` from the
        backbone's SavedModel only once, for all of its trials.
      train_files: file patterns of the training split: raw examples for tune "full", transformed
        examples for tune "head".
      validation_files: file patterns of the validation split, with the same kind of examples as
        `train_files`.
      label: the name of the training in TensorBoard.
    """

    settings: TrainingSettings
    graph: TransformGraph
    backbone: str
    shapes: Shapes
    train_files: Sequence[str]
    validation_files: Sequence[str]
    label: RunLabel

    def make_model(self) -> keras.Model:
        """Builds the model with an untrained head, in the scope of the current strategy.

        The outputs of the model are logits.
        """
        classes = len(self.settings.classes)
        if self.settings.tune == "head":
            return make_probe(self.shapes.features, classes)
        backbone = load_backbone(self.backbone)
        return make_classifier(backbone, self.shapes, classes, self.settings.input_range)

    def fit(
        self,
        strategy: tf.distribute.Strategy,
        checkpoints: str,
        log_dir: str,
        lease: Lease | None = None,
    ) -> Fitted:
        """Trains the model by gradient descent; see `trainer.training.loop.fit`.

        Args:
          strategy: the distribution strategy of the training.
          checkpoints: directory of the checkpoints of this training.
          log_dir: directory for `history.json` and TensorBoard.
          lease: the lease of the directory `checkpoints`; None if no other run uses the directory.
        """
        hyperparameters = self.settings.hyperparameters
        keras.utils.set_random_seed(hyperparameters.seed)
        with strategy.scope():
            model = self.make_model()
        if hyperparameters.head == "linear_probe" and not has_checkpoint(checkpoints):
            self.probe(model, strategy, log_dir)
        train = TrainingData(
            files=self.train_files,
            class_counts=read_class_counts(self.train_files, len(self.settings.classes)),
            seed=hyperparameters.seed,
            tune=self.settings.tune,
            graph=self.graph,
            image_shape=(self.shapes.height, self.shapes.width),
            augmentation=self.settings.augmentation,
        )
        worker, workers = worker_index(strategy)
        parts = hyperparameters.accumulation * strategy.num_replicas_in_sync
        validation = validation_batches(
            self.validation_files,
            self.graph,
            tune=self.settings.tune,
            classes=len(self.settings.classes),
            batch_size=max(hyperparameters.batch_size // parts, 1),
            worker=worker,
            workers=workers,
        )
        return fit(
            model,
            train,
            validation,
            hyperparameters=hyperparameters,
            strategy=strategy,
            checkpoints=checkpoints,
            log_dir=log_dir,
            lease=lease,
            label=self.label,
        )

    def probe(self, model: keras.Model, strategy: tf.distribute.Strategy, log_dir: str) -> None:
        """Fits the head of `model` by logistic regression; see `trainer.model.linear_probe`.

        Args:
          model: the model that `make_model` returned.
          strategy: the distribution strategy of the model. If there are several workers, only the
            chief fits the head. The chief then sends the head's weights to the other workers.
          log_dir: directory for the list of the regularisation strengths that were tried.
        """
        head = model.get_layer("head")
        if worker_index(strategy)[0] == 0:
            read = read_features if self.settings.tune == "head" else self._features_of(model)
            fit_linear_probe(
                head,
                read(self.train_files, self.graph),
                read(self.validation_files, self.graph),
                balanced=self.settings.hyperparameters.class_weights,
                log_dir=log_dir,
            )
        head.set_weights(broadcast_from_chief(strategy, head.get_weights()))

    def _features_of(self, model: keras.Model) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
        """Returns a function that reads images without augmentation and computes their features."""
        backbone = tf.function(model.get_layer("backbone"), reduce_retracing=True)
        return lambda files, graph: self._compute(backbone, files, graph)

    def _compute(
        self, function: ToOutputs, files: Sequence[str], graph: TransformGraph
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the outputs of `function` for all images, [N, …], and the labels, int64 [N]."""
        batches = validation_batches(
            files,
            graph,
            tune=self.settings.tune,
            classes=len(self.settings.classes),
            batch_size=32,
        )
        parts = [
            (function(inputs).numpy(), tf.argmax(labels, -1).numpy()) for inputs, labels in batches
        ]
        outputs, labels = zip(*parts, strict=True)
        return np.concatenate(outputs), np.concatenate(labels)

    def export(self, model: keras.Model, directory: str, serving: ServingSettings) -> None:
        """Writes the SavedModel with its three signatures.

        The variables of `model` may belong to a distribution strategy, so the exported model is a
        copy of `model` that is built outside the scope of any strategy.
        """
        plain = self.make_model()
        for variable, trained in zip(plain.variables, model.variables, strict=True):
            variable.assign(trained.numpy())
        if self.settings.tune == "head":
            frozen = self.graph.frozen_backbone
            to_features = frozen.from_pixels
            # The exported model contains `frozen.backbone` instead of `frozen`, which also decodes
            # images: the exported model has its own decoder.
            backbone = frozen.backbone
        else:
            to_features = plain.get_layer("backbone")
            backbone = to_features.backbone
        ServedClassifier(
            to_features=to_features,
            head=plain.get_layer("head"),
            backbone=backbone,
            classes=self.settings.classes,
            image_shape=(self.shapes.height, self.shapes.width),
            limits=serving.limits,
            calibration=self._calibrate(plain, serving.precision),
        ).save(directory)

    def _calibrate(self, model: keras.Model, precision: float | None) -> Calibration:
        """Finds the temperature and the threshold of the exported model on the validation split.

        `model` maps features (tune "head") or images (tune "full") to logits.
        """
        to_logits = tf.function(model, reduce_retracing=True, autograph=False)
        logits, labels = self._compute(to_logits, self.validation_files, self.graph)
        calibration = calibrate(logits, labels, precision)
        logger.info("%s on %d validation images", calibration, len(labels))
        if calibration.threshold == NOTHING_ACCEPTED:
            logger.warning(
                "No probability threshold reaches serve.precision %g on the validation split: the "
                "model will accept no prediction. Lower serve.precision.",
                precision,
            )
        return calibration


def backbone_directory(base_model: str) -> str:
    """Returns the directory of the backbone's SavedModel.

    TFX expects the SavedModel of a Model artifact in a subfolder of the artifact's directory, and
    passes the path of this subfolder as `base_model`. In a Backbone artifact, the SavedModel lies
    directly in the artifact's directory, which is then the result.
    """
    own = os.path.dirname(base_model)
    return own if tf.io.gfile.exists(os.path.join(own, GRAPH_FILE)) else base_model
