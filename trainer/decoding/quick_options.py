"""Options for a `tf.data` dataset that is created for a single request."""

import tensorflow as tf


def quick_options() -> tf.data.Options:
    """Returns options that turn off autotuning and graph rewriting, which are slow to start."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    options.experimental_warm_start = False
    options.deterministic = True
    return options
