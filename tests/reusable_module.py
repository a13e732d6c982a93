"""A base class for small models with the reusable interface of TF-Hub."""

import tensorflow as tf


class ReusableModule(tf.Module):
    """A model with one variable; subclasses add `__call__`."""

    # A SavedModel stores no Python properties, so these attributes override the properties of
    # tf.Module; lists can be stored.
    variables = trainable_variables = None

    def __init__(self):
        super().__init__()
        self.variables = self.trainable_variables = [tf.Variable(1.0)]
        self.regularization_losses = []
