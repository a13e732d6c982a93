"""Makes texts such as file names, URLs and messages of libraries safe to print."""

from collections.abc import Sequence

from common.urls import remove_secrets

# Harmless characters for which `str.isprintable` returns False: the zero-width joiner and
# non-joiner, which Persian and Indian words and emoji contain, and the spaces of French and
# Japanese.
_HARMLESS = "\u200c\u200d\xa0\u202f\u3000"


def escape_controls(text: str) -> str:
    r"""Escapes control characters, so that the text cannot control a terminal or begin a new line.

    The function replaces control characters (such as those of terminal escape sequences), line
    breaks, characters that change the direction of writing, and bytes of a file name that are not
    UTF-8. The replacements are escapes as in Python's string literals: `\x1b`, `\n`, `\u202e`,
    `\udcff`.
    """
    # `isprintable` is a hundred times faster than the loop below, and is True for nearly all texts.
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character in _HARMLESS
        else character.encode("unicode_escape").decode()
        for character in text
    )


def list_first(names: Sequence[str], most: int = 5) -> str:
    """Returns the first of the names and the number of the others, such as "a, b and 3 more".

    Args:
      names: all names.
      most: the largest number of names in the result.
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def make_printable(text: str) -> str:
    """Removes secrets from the text, and escapes its control characters."""
    return escape_controls(remove_secrets(text))
