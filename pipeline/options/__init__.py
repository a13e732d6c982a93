"""The options of a run, and the checks of their values.

This module does not import TensorFlow, which takes seconds to import.
"""
