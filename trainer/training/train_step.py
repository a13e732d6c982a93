"""Computes the optimizer steps of a training on the devices of a distribution strategy."""

import contextlib
import dataclasses
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from common.errors import one_line
from trainer.model.backbone_layer import BackboneLayer
from trainer.model.cudnn_attention import has_kernels
from trainer.model.xla import compile_with_xla
from trainer.training.hyperparameters import Hyperparameters
from trainer.training.losses import cross_entropy
from trainer.training.optimizer import Schedule, make_optimizer

logger = logging.getLogger(__name__)

_NOT_COMPILED = (
    tf.errors.InvalidArgumentError,
    tf.errors.UnimplementedError,
    tf.errors.InternalError,
    tf.errors.NotFoundError,  # from XLA, if a custom call has no implementation
)
_NO_KERNELS = "it needs XLA and a GPU of compute capability 8.0 or higher"
Batch = tuple[tf.Tensor, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Result:
    """The result of one training step, for the whole batch; each value is float32 [].

    Attributes:
      loss: mean loss of the batch's images.
      accuracy: share of the batch's images that were classified correctly.
      preempted: number of replicas on workers that have received a signal to end.
      gradient_norm: global norm of the gradients before clipping.
    """

    loss: tf.Tensor
    accuracy: tf.Tensor
    preempted: tf.Tensor
    gradient_norm: tf.Tensor


class Stepper:
    """Computes the steps of a training.

    Gradients are summed over all parts of the batch and all replicas, divided by the size of the
    whole batch, and only then clipped, so that the result of a step does not depend on how the
    batch is divided into parts.
    """

    def __init__(
        self,
        model: keras.Model,
        schedule: Schedule,
        hyperparameters: Hyperparameters,
        *,
        class_weights: Sequence[float] | None,
        strategy: tf.distribute.Strategy,
    ) -> None:
        """
        Args:
          model: a model that returns logits, float32 [B, C], created in the scope of `strategy`.
          schedule: the learning-rate schedule.
          hyperparameters: the hyperparameters of the training.
          class_weights: for each class, the factor that multiplies the loss of its images, [C].
          strategy: the strategy in whose scope the model was created.
        """
        self.model = model
        self._hyperparameters = hyperparameters
        self._class_weights = class_weights
        self._strategy = strategy
        with strategy.scope():
            self.optimizer = make_optimizer(
                hyperparameters,
                schedule,
                model.trainable_variables,
                model.get_layer("head").trainable_variables,
            )
        self._variants = _variants(hyperparameters)
        self._make_step(self._variants.pop(0))
        self._test = tf.function(self._distributed_test, reduce_retracing=True, autograph=False)

    @property
    def variables(self) -> list[tf.Variable]:
        """All variables that a training step changes."""
        return [v.value for v in (*self.model.variables, *self.optimizer.variables)]

    @property
    def skips_overflows(self) -> bool:
        """Whether the optimizer skips steps whose gradients are not finite.

        If the gradients are not finite, a LossScaleOptimizer skips the update of the weights and
        lowers the loss scale.
        """
        return isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer)

    def step(self, parts: Sequence[Any], *, preempted: bool = False) -> Result:
        """Computes one optimizer step.

        Args:
          parts: the parts of the batch, which are computed one after the other to save memory. Each
            part is a pair (inputs, labels) from the strategy's distributed iterator.
          preempted: whether this process has received a signal to end. The step sums this flag over
            all replicas, and returns the sum as `Result.preempted`, so that every worker finds out
            if any worker has received a signal.
        """
        arguments = (tuple(parts), tf.constant(preempted, tf.float32))
        while True:
            try:
                result = Result(*self._run(*arguments))
            except _NOT_COMPILED as error:
                if not self._variants:
                    raise
                # The step can be computed again: no variable has been changed yet, because
                # gradients are computed first.
                variant = self._variants.pop(0)
                logger.warning(
                    "The training step cannot be compiled %s; training continues %s: %s",
                    self._variant.description,
                    variant.description,
                    one_line(error),
                )
                self._make_step(variant)
            else:
                self._variants = []
                return result

    def test(self, batch: Any) -> tf.Tensor:
        """Returns float32 [3]: summed loss, number of correct predictions, number of images."""
        return self._test(batch)

    def swap_averages(self) -> None:
        """Exchanges the model's weights and their moving averages.

        A second call of `swap_averages` restores the original weights.
        """
        optimizer = self.optimizer.inner_optimizer if self.skips_overflows else self.optimizer
        averages = optimizer._model_variables_moving_average
        for variable, average in zip(self.model.trainable_variables, averages, strict=True):
            value = variable.numpy()
            variable.assign(average)
            average.assign(value)

    def _make_step(self, variant: "_Variant") -> None:
        self._variant = variant
        self._gradients = tf.function(self._part, autograph=False)
        self._apply = self._update
        if variant.xla:
            self._gradients = compile_with_xla(self._part)
            with self._strategy.scope():
                # With a distribution strategy, Keras exchanges data between replicas while it
                # updates variables. XLA cannot compile an exchange of data between replicas, so
                # `_update` is compiled only without a distribution strategy.
                if not tf.distribute.has_strategy():
                    self._apply = tf.function(self._update, jit_compile=True, autograph=False)
        self._run = tf.function(self._distributed, autograph=False)

    def _distributed(self, parts: Sequence[Any], preempted: tf.Tensor) -> list[tf.Tensor]:
        results = self._strategy.run(self._on_replica, args=(parts, preempted))
        return [self._strategy.reduce("MEAN", result, axis=None) for result in results]

    def _on_replica(self, parts: Sequence[Batch], preempted: tf.Tensor) -> tuple[tf.Tensor, ...]:
        total: list[tf.Tensor] = []
        for inputs, labels in parts:
            # The control dependency makes TensorFlow compute the parts of the batch one after the
            # other, which needs less memory than computing all parts at once.
            with tf.control_dependencies(total):
                part = self._gradients(tf.identity(inputs), labels)
            total = [a + b for a, b in zip(total, part, strict=True)] if total else list(part)
        context = tf.distribute.get_replica_context()
        loss, accuracy, preempted, *gradients = context.all_reduce(
            tf.distribute.ReduceOp.SUM, [*total[:2], tf.identity(preempted), *total[2:]]
        )
        return loss, accuracy, preempted, self._apply(gradients)

    def _update(self, gradients: list[tf.Tensor]) -> tf.Tensor:
        """Clips the gradients of the scaled loss, and applies them to the model.

        Returns:
          The global norm of the gradients of the unscaled loss, before clipping, float32 [].
        """
        norm = tf.linalg.global_norm(gradients)
        scale = self.optimizer.scale_loss(tf.ones([]))
        clipped = self._clip(gradients, scale, norm)
        self.optimizer.apply(clipped, self.model.trainable_variables)
        return norm / scale

    def _clip(
        self, gradients: list[tf.Tensor], scale: tf.Tensor, norm: tf.Tensor
    ) -> list[tf.Tensor]:
        """Clips the gradients of the scaled loss.

        The gradients of the scaled loss are `scale` times the gradients of the loss, so the largest
        allowed norm is also multiplied by `scale`.
        """
        clip = self._hyperparameters.clip_norm
        if clip is None:
            return gradients
        if self._hyperparameters.clip == "each":
            return [tf.clip_by_norm(gradient, clip * scale) for gradient in gradients]
        return tf.clip_by_global_norm(gradients, clip * scale, use_norm=norm)[0]

    def _part(self, inputs: tf.Tensor, labels: tf.Tensor) -> list[tf.Tensor]:
        """Computes the loss, the accuracy and the scaled loss's gradients for a part of the batch.

        All values are divided by the size of the whole batch, so that the sums over all parts are
        the mean loss, the accuracy and the gradients of the batch.
        """
        hyperparameters = self._hyperparameters
        variables = [v.value for v in self.model.trainable_variables]
        with tf.GradientTape() as tape:
            with self._fused_attention():
                logits = self.model(inputs, training=hyperparameters.backbone_mode == "training")
            losses = cross_entropy(
                labels,
                logits,
                smoothing=hyperparameters.label_smoothing,
                class_weights=self._class_weights,
            )
            loss = tf.reduce_sum(losses) / hyperparameters.batch_size
            parts = self._strategy.num_replicas_in_sync * hyperparameters.accumulation
            loss += sum(self.model.losses) / parts
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, variables, unconnected_gradients="zero")
        accuracy = tf.reduce_sum(_correct(labels, logits)) / hyperparameters.batch_size
        return [loss, accuracy, *map(tf.convert_to_tensor, gradients)]

    @contextlib.contextmanager
    def _fused_attention(self) -> Iterator[None]:
        """A context in which the backbone uses cuDNN's kernels if the current variant does."""
        layers = [layer for layer in self.model.layers if isinstance(layer, BackboneLayer)]
        for layer in layers:
            layer.fuses_attention = self._variant.fuses_attention
        try:
            yield
        finally:
            for layer in layers:
                layer.fuses_attention = False

    def _distributed_test(self, batch: Any) -> tf.Tensor:
        sums = self._strategy.run(self._test_on_replica, args=batch)
        return self._strategy.reduce("SUM", sums, axis=None)

    def _test_on_replica(self, inputs: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        logits = self.model(inputs, training=False)
        losses = cross_entropy(labels, logits)
        count = tf.cast(tf.shape(labels)[0], tf.float32)
        return tf.stack([tf.reduce_sum(losses), tf.reduce_sum(_correct(labels, logits)), count])


@dataclasses.dataclass(frozen=True)
class _Variant:
    """A way to compute a training step: with or without XLA, with or without cuDNN's kernels."""

    description: str
    xla: bool
    fuses_attention: bool


_FUSED = _Variant("with XLA and cuDNN's attention", xla=True, fuses_attention=True)
_XLA = _Variant("with XLA", xla=True, fuses_attention=False)
_PLAIN = _Variant("without XLA", xla=False, fuses_attention=False)


def _variants(hyperparameters: Hyperparameters) -> list[_Variant]:
    """Returns the variants of the training step to try, the fastest first.

    docs/performance.md compares the speed of the variants.
    """
    is_default = hyperparameters.jit_compile is None
    if is_default:
        has_xla = bool(tf.config.list_logical_devices("GPU"))
    else:
        has_xla = bool(hyperparameters.jit_compile)
    wanted = hyperparameters.fused_attention
    if wanted is None:
        # By default, a deterministic training does not use cuDNN's kernels, because they add
        # gradients in an order that changes from run to run.
        wanted = not hyperparameters.deterministic
    fuses = wanted and has_xla and has_kernels()
    if hyperparameters.fused_attention and not fuses:
        logger.warning("train.fused_attention has no effect: %s.", _NO_KERNELS)
    variants = [_FUSED] if fuses else []
    variants += [_XLA] if has_xla else []
    return [*variants, _PLAIN] if is_default else variants or [_PLAIN]


def _correct(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns 1 for each correctly classified image and 0 for each other image, float32 [B].

    A mixed label counts as its most probable class.
    """
    return tf.cast(tf.equal(tf.argmax(labels, -1), tf.argmax(logits, -1)), tf.float32)
