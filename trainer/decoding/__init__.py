"""Encoded images of every kind -> upright RGB pixels, in graph ops: for ingestion and serving."""
