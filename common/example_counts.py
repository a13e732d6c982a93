"""The name and a key of the JSON file in which ImageExampleGen counts the images."""

# This file is in the directory of the Examples artifact, next to the Split-… directories.
COUNTS_FILE = "counts.json"

# Key of the counts for each label. The value maps "read", "quarantine" or the name of a split to
# the number of images with each label: {"train": {"0": 12}}.
BY_LABEL = "by_label"
