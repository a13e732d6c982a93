"""Text from outside, as it may be shown: a name, a path, a URL, the message of another's error."""

from common.urls import remove_secrets

# Not printable to Python, and harmless: joiners, which emoji, Persian and Indian scripts have
# within a word, and the spaces of French and Japanese.
_HARMLESS = "\u200c\u200d\xa0\u202f\u3000"


def escape_controls(text: str) -> str:
    """Escapes control characters, so that a terminal shows the text as it is, in one line.

    Control characters (among them the escape sequences of terminals), line breaks, characters that
    turn the direction of writing, and bytes of a file name that are no UTF-8 become escapes as in
    Python's strings: `\x1b`, `\n`, `\u202e`, `\udcff`.
    """
    if text.isprintable():  # nearly all text, and a hundred times as fast
        return text
    return "".join(
        character
        if character.isprintable() or character in _HARMLESS
        else character.encode("unicode_escape").decode()
        for character in text
    )


def make_printable(text: str) -> str:
    """Removes secrets from the text, and escapes its control characters."""
    return escape_controls(remove_secrets(text))
