"""Options of datasets that live for one request."""

import tensorflow as tf


def quick_options() -> tf.data.Options:
    """No tuning and no rewriting of the dataset's graph: both take longer than a few elements."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    options.experimental_warm_start = False
    options.deterministic = True
    return options
