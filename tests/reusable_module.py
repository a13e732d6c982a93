"""A base class for small models with the reusable interface of TF-Hub."""

import tensorflow as tf


class ReusableModule(tf.Module):
    """A model with one variable; subclasses add `__call__`."""

    # In tf.Module, `variables` and `trainable_variables` are Python properties, which a SavedModel
    # does not store. Lists, which a SavedModel stores, replace these properties.
    variables = trainable_variables = None

    def __init__(self):
        super().__init__()
        self.variables = self.trainable_variables = [tf.Variable(1.0)]
        self.regularization_losses = []
