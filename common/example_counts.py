"""The file of counts beside the examples: its name and its keys. Imports nothing."""

# It lies in the Examples artifact, beside its Split-… folders.
COUNTS_FILE = "counts.json"

# Key of the counts by outcome (a split, among others) and label, such as {"train": {"0": 12}}.
BY_LABEL = "by_label"
