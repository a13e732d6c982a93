"""A base class for small models with the reusable interface of TF-Hub."""

import tensorflow as tf


class ReusableModule(tf.Module):
    """A model with one variable; subclasses add `__call__`."""

    # tf.Module defines the Python properties `variables` and `trainable_variables`, and a
    # SavedModel stores no Python properties. These class attributes override the properties, so
    # that each instance can store lists as `variables` and `trainable_variables`.
    variables = trainable_variables = None

    def __init__(self):
        super().__init__()
        self.variables = self.trainable_variables = [tf.Variable(1.0)]
        self.regularization_losses = []
