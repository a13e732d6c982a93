"""Reports a run: console output, outcome, lineage, logs."""
