"""Checks the flags for Beam, counts images in Beam's workers, and makes Beam faster."""
