"""Turns examples into batches, and augments training images."""
