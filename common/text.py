"""Text from outside, as it may be shown: a name, a path, a URL, the message of another's error."""

from common.urls import remove_secrets

# Not printable to Python, and harmless: joiners, which emoji, Persian and Indian scripts have
# within a word, and the spaces of French and Japanese.
_HARMLESS = "\u200c\u200d\xa0\u202f\u3000"


def escape_controls(text: str) -> str:
    r"""The text such that a terminal shows it as it is, in one line.

    Control characters (among them the escape sequences of terminals), line breaks, characters that
    turn the direction of writing, and bytes of a file name that are no UTF-8 become escapes as in
    Python's strings: `\x1b`, `\n`, `\u202e`, `\udcff`.
    """
    return "".join(
        character
        if character.isprintable() or character in _HARMLESS
        else character.encode("unicode_escape").decode()
        for character in text
    )


def make_printable(text: str) -> str:
    """The text without secrets and with escaped controls."""
    return escape_controls(remove_secrets(text))
