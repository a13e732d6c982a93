"""The backbone and the head as a Keras model."""
