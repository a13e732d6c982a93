"""Classifies many images: finds the files, runs the model with Beam, writes a table."""
