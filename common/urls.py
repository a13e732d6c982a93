"""URLs: what of them may be shown, and which may be used."""

import ipaddress
import re
from urllib.parse import urlsplit

# A URL has neither spaces nor quotes. Punctuation at its end belongs to the sentence. No pattern
# looks at a character more than a few times: a log has lines of a megabyte.
_END = r"""(?=[\]):;,.]{0,4}(?:[\s"'<>]|$))"""
_CREDENTIALS = re.compile(r"""(?<=://)[^/?#\s"'<>]*@""")
_QUERY = re.compile(rf"""(://(?:[^\s?"'<>:]|:(?!//))*+)\?[^\s"'<>]+?{_END}""")
# As urllib3 writes it, without scheme and host.
_RELATIVE_QUERY = re.compile(rf"""(?<=[\w/.~%-])\?[^\s=…"'<>?]+=[^\s"'<>]*?{_END}""")


def remove_secrets(text: str) -> str:
    """Replaces the credentials and query strings of URLs in the text with `…`.

    The query string of a signed URL is as good as a password for what it names.
    """
    text = _CREDENTIALS.sub("…@", text)
    text = _QUERY.sub(r"\1?…", text)
    return _RELATIVE_QUERY.sub("?…", text)


def is_secure(url: str) -> bool:
    """Whether nobody on the way can change what `url` answers: by http, anybody can.

    On loopback there is no way.
    """
    parts = urlsplit(url)
    if parts.scheme != "http":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname == "localhost"
