"""Backbone and head as a Keras model."""
