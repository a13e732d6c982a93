"""The measurements of `benchmarks/trainer.py`."""
