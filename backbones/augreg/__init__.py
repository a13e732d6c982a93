"""AugReg checkpoints (Steiner et al., https://arxiv.org/abs/2106.10270) as backbone SavedModels."""
