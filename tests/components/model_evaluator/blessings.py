"""Records the blessings of models, for tests."""

from components.model_evaluator import records as blessings


def record(records: str, model: str, training: str) -> blessings.Blessing:
    """Records that a model was blessed; `training` identifies the training of the model."""
    return blessings.record(records, model, training, data="data", class_counts=(12, 34))
