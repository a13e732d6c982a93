"""Makes `TrainingInputs` for tests, without TensorFlow."""

from trainer.training.settings import TrainingInputs


def make_training_inputs(backbone_fingerprint: str = "4") -> TrainingInputs:
    """Returns `TrainingInputs` in which no two fingerprints are equal."""
    return TrainingInputs(
        source_fingerprint="1",
        max_side=512,
        max_pixels=10**8,
        max_value=0,
        examples_code="2",
        transform_code="3",
        backbone_fingerprint=backbone_fingerprint,
    )
