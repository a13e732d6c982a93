"""Removes secrets from URLs, and tells whether a URL is safe from tampering on the network."""

import ipaddress
import re
from urllib.parse import urlsplit

# These patterns find the credentials and query strings of the URLs in a text. A URL in a text ends
# at a space or a quote; punctuation at the end of a URL is not part of it. The patterns are written
# so that matching takes linear time, because a log may have lines of a megabyte.
_END = r"""(?=[\]):;,.]{0,4}(?:[\s"'<>]|$))"""
_CREDENTIALS = re.compile(r"""(?<=://)[^/?#\s"'<>]*@""")
_QUERY = re.compile(rf"""(://(?:[^\s?"'<>:]|:(?!//))*+)\?[^\s"'<>]+?{_END}""")
# Matches the query string of a URL that has no scheme and no host, as in the error messages of
# urllib3.
_RELATIVE_QUERY = re.compile(rf"""(?<=[\w/.~%-])\?[^\s=…"'<>?]+=[^\s"'<>]*?{_END}""")


def remove_secrets(text: str) -> str:
    """Replaces the credentials and query strings of URLs in the text with `…`.

    The query string of a signed URL is a secret, because it gives access just as a password does.
    """
    text = _CREDENTIALS.sub("…@", text)
    text = _QUERY.sub(r"\1?…", text)
    return _RELATIVE_QUERY.sub("?…", text)


def is_secure(url: str) -> bool:
    """Whether nobody on the network can change the response to a request for `url`.

    The function returns False only for an http:// URL whose host is not this machine.
    """
    parts = urlsplit(url)
    if parts.scheme != "http":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname == "localhost"
