"""The classes of ImageNet-1k (ILSVRC 2012), in the order of the models' outputs.

`imagenet_classes.txt` contains the WordNet ids and the names, and states their sources and
licences.
"""

from importlib import resources


def _read() -> list[tuple[str, str]]:
    """Reads the WordNet id and the name of each class."""
    text = resources.files("trainer").joinpath("imagenet_classes.txt").read_text("utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return [(wordnet_id, name) for wordnet_id, name in (line.split(" ", 1) for line in lines)]


# Each of the 1,000 classes has a unique id ("n01440764", …) and a unique name ("tench", …).
WORDNET_IDS, NAMES = zip(*_read(), strict=True)


def class_index(text: str) -> int | None:
    """Returns the index of the class that `text` denotes; None if there is no such class.

    Args:
      text: a WordNet id ("n01440764"); a name in `NAMES`, with spaces or underscores
        ("great_white_shark"); or an index ("0" to "999"). Names are case-sensitive: "Cardigan"
        (class 264) is a dog, and "cardigan" (class 474) is a garment.
    """
    if text.isdecimal():
        return int(text) if int(text) < len(NAMES) else None
    if text in WORDNET_IDS:
        return WORDNET_IDS.index(text)
    name = text.replace("_", " ")
    return NAMES.index(name) if name in NAMES else None
