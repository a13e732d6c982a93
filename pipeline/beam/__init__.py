"""Beam's engines and their flags."""
