"""Converts AugReg checkpoints (Steiner et al., arXiv 2106.10270) to backbone SavedModels."""
