"""Makes text from outside safe to show: names, paths, URLs, messages of libraries."""

from collections.abc import Sequence

from common.urls import remove_secrets

# Harmless characters that Python calls not printable: joiners within words of Persian and Indian
# scripts and within emoji, and the spaces of French and Japanese.
_HARMLESS = "\u200c\u200d\xa0\u202f\u3000"


def escape_controls(text: str) -> str:
    """Escapes control characters, so that a terminal shows the text as it is, in one line.

    Control characters (also those of terminals' escape sequences), line breaks, characters that
    change the direction of writing, and bytes of a file name that are not UTF-8 become escapes as
    in Python's strings: `\x1b`, `\n`, `\u202e`, `\udcff`.
    """
    # Nearly all text is printable, and this check is a hundred times as fast as the loop.
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character in _HARMLESS
        else character.encode("unicode_escape").decode()
        for character in text
    )


def list_first(names: Sequence[str], most: int = 5) -> str:
    """Returns the first names and the number of the remaining names, such as "a, b and 3 more".

    Args:
      names: the names.
      most: the largest number of names in the result.
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def make_printable(text: str) -> str:
    """Removes secrets from the text, and escapes its control characters."""
    return escape_controls(remove_secrets(text))
