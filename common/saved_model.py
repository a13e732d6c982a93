"""The file of a SavedModel without which it is none. Imports no TensorFlow."""

GRAPH_FILE = "saved_model.pb"
