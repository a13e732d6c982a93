"""The configuration of a run: options, their values and checks. Imports no TensorFlow."""
