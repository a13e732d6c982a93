"""Removes secrets from URLs, and recognises URLs whose responses others cannot change."""

import ipaddress
import re
from urllib.parse import urlsplit

# A URL has neither spaces nor quotes. Punctuation at the end of a URL belongs to the sentence
# around it. The patterns take linear time, since a log may have lines of a megabyte.
_END = r"""(?=[\]):;,.]{0,4}(?:[\s"'<>]|$))"""
_CREDENTIALS = re.compile(r"""(?<=://)[^/?#\s"'<>]*@""")
_QUERY = re.compile(rf"""(://(?:[^\s?"'<>:]|:(?!//))*+)\?[^\s"'<>]+?{_END}""")
# A query string in a message of urllib3, which writes URLs without scheme and host.
_RELATIVE_QUERY = re.compile(rf"""(?<=[\w/.~%-])\?[^\s=…"'<>?]+=[^\s"'<>]*?{_END}""")


def remove_secrets(text: str) -> str:
    """Replaces the credentials and query strings of URLs in the text with `…`.

    The query string of a signed URL gives access like a password.
    """
    text = _CREDENTIALS.sub("…@", text)
    text = _QUERY.sub(r"\1?…", text)
    return _RELATIVE_QUERY.sub("?…", text)


def is_secure(url: str) -> bool:
    """Whether nobody on the network can change the response to a request for `url`.

    The result is True for https, and for http on this machine (loopback).
    """
    parts = urlsplit(url)
    if parts.scheme != "http":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return parts.hostname == "localhost"
