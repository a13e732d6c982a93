"""The configuration: its fields, where values come from, and checks. Imports no TensorFlow."""
