"""The name and the keys of the file with the numbers of examples. Imports nothing."""

# The file with the counts lies in the Examples artifact, beside the Split-… folders.
COUNTS_FILE = "counts.json"

# Key of the counts by outcome (such as a split, or quarantine) and label: {"train": {"0": 12}}.
BY_LABEL = "by_label"
