"""The classes of ImageNet-1k (ILSVRC 2012), in the order of the models' outputs.

`imagenet_classes.txt` names the sources and licences of ids and names.
"""

from importlib import resources


def _read() -> list[tuple[str, str]]:
    """Reads WordNet id and name of each class."""
    text = resources.files("trainer").joinpath("imagenet_classes.txt").read_text("utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return [(wordnet_id, name) for wordnet_id, name in (line.split(" ", 1) for line in lines)]


# "n01440764", … and "tench", …: 1,000 of each, unique.
WORDNET_IDS, NAMES = zip(*_read(), strict=True)


def class_index(text: str) -> int | None:
    """Returns the index of the class that `text` names; None if it names no class.

    Args:
      text: a WordNet id ("n01440764"); a name of `NAMES`, with spaces or underscores
        ("great_white_shark"); or an index ("0" to "999"). Case matters: class 264, Cardigan, is a
        dog, and class 474, cardigan, a garment.
    """
    if text.isdecimal():
        return int(text) if int(text) < len(NAMES) else None
    if text in WORDNET_IDS:
        return WORDNET_IDS.index(text)
    name = text.replace("_", " ")
    return NAMES.index(name) if name in NAMES else None
