"""Compares the classes of a new model with the classes of the served model that it replaces."""

import json

from common.files import read_bytes

_CLASSES = "assets.extra/classes.json"  # the file with the class names in an exported model


def describe_other_classes(model: str, served: str) -> str:
    """Describes how the classes of a new model differ from the classes of the served model.

    Args:
      model: the directory of the new SavedModel.
      served: the directory of the served version.

    Returns:
      One line of text; empty if the models have the same classes, or if one of the models has no
      list of classes.
    """
    new, old = _read(model), _read(served)
    if not new or not old or new == old:
        return ""
    gone = [name for name in old if name not in new]
    added = [name for name in new if name not in old]
    changes = [
        f"{what} {', '.join(names[:5])}{', …' if len(names) > 5 else ''}"
        for what, names in (("without", gone), ("with the new", added))
        if names
    ] or ["in another order"]
    return (
        f"{served}: this served model has {len(old)} classes, and the new model {len(new)}, "
        f"{' and '.join(changes)}; there was no champion of the same classes for a comparison; "
        "--rollback serves the old model again"
    )


def _read(model: str) -> list[str]:
    try:
        names = json.loads(read_bytes(f"{model}/{_CLASSES}") or b"[]")
    except ValueError:  # a damaged list of classes must not stop a push
        return []
    return [str(name) for name in names] if isinstance(names, list) else []
