"""Constants for `counts.json`, the file to which ImageExampleGen writes the numbers of images.

This module loads quickly, because it imports nothing.
"""

# `counts.json` is in the directory of the Examples artifact, next to the Split-… directories.
COUNTS_FILE = "counts.json"

# The key in `counts.json` for the numbers of images by split and label. In {"by_label": {"train":
# {"0": 12}}}, for example, 12 images with the label 0 are in the train split. The dictionary under
# "by_label" also has keys that are not splits, such as "quarantine".
BY_LABEL = "by_label"
