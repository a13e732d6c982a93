"""What is said of a run: console, outcome, lineage, logs."""
