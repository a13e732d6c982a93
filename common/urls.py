"""Removes secrets from URLs, and tells whether a URL is safe from tampering on the network."""

import ipaddress
import re
from urllib.parse import urlsplit

# These patterns find the secrets in URLs in a text. A URL ends at a space or a quote. Punctuation
# at the end of a URL belongs to the sentence around it. The patterns are written so that matching
# takes linear time: a log may have lines of a megabyte.
_END = r"""(?=[\]):;,.]{0,4}(?:[\s"'<>]|$))"""
_CREDENTIALS = re.compile(r"""(?<=://)[^/?#\s"'<>]*@""")
_QUERY = re.compile(rf"""(://(?:[^\s?"'<>:]|:(?!//))*+)\?[^\s"'<>]+?{_END}""")
# Matches the query string of a URL without scheme and host, as in the messages of urllib3.
_RELATIVE_QUERY = re.compile(rf"""(?<=[\w/.~%-])\?[^\s=…"'<>?]+=[^\s"'<>]*?{_END}""")


def remove_secrets(text: str) -> str:
    """Replaces the credentials and query strings of URLs in the text with `…`.

    Query strings must be removed because, like a password, the query string of a signed URL gives
    access.
    """
    text = _CREDENTIALS.sub("…@", text)
    text = _QUERY.sub(r"\1?…", text)
    return _RELATIVE_QUERY.sub("?…", text)


def is_secure(url: str) -> bool:
    """Whether nobody on the network can change the response to a request for `url`.

    Returns True for https, and for http to this machine itself (loopback).
    """
    parts = urlsplit(url)
    if parts.scheme != "http":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname == "localhost"
