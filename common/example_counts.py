"""The name and a key of the JSON file in which ImageExampleGen counts the images."""

# `counts.json` is in the directory of the Examples artifact, next to the Split-… directories.
COUNTS_FILE = "counts.json"

# The key for the number of images with each label. In {"by_label": {"train": {"0": 12}}}, for
# example, 12 images with the label 0 are in the train split. Besides the splits, the dictionary
# under "by_label" has the keys "read" and "quarantine".
BY_LABEL = "by_label"
