"""What became of the images of a source, as written beside the examples."""

import json

from tfx.dsl.io import fileio

from components.image_example_gen.split import SPLITS

# Both lie in the Examples artifact, beside its Split-… folders.
QUARANTINE_FILE = "quarantine.jsonl"
COUNTS_FILE = "counts.json"

READ = "read"
QUARANTINE = "quarantine"


def read_counts(uri: str) -> dict[str, int]:
    """How many images were read, written to each split, and quarantined.

    Args:
      uri: of the Examples artifact.

    Returns:
      The keys are READ, the splits, and QUARANTINE; the first is the sum of the others.
    """
    with fileio.open(f"{uri}/{COUNTS_FILE}") as file:
        counts = json.loads(file.read())
    return {key: counts.get(key, 0) for key in (READ, *SPLITS, QUARANTINE)}
