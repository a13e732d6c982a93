"""Graph ops that decode images of several formats to upright RGB pixels."""
