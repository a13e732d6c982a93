"""Decodes images of several formats to upright RGB pixels in graph ops."""
