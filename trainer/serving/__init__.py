"""Exports models, and loads exported models."""
