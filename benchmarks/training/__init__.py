"""What `benchmarks/trainer.py` measures, each in a module of its own."""
