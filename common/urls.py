"""URLs: what of them may be shown, and which may be used."""

import ipaddress
import re
from urllib.parse import urlsplit

# Punctuation at the end of a URL belongs to the sentence.
_END = r"""(?=[\])>"':;,.]*(?:\s|$))"""
_CREDENTIALS = re.compile(r"""(?<=://)[^/?#\s"'<>]*@""")
_QUERY = re.compile(rf"(://[^\s?]*)\?\S+?{_END}")
# As urllib3 writes it, without scheme and host.
_RELATIVE_QUERY = re.compile(rf"(/[^\s?]*)\?[^\s=…]+=\S*?{_END}")


def remove_secrets(text: str) -> str:
    """The text with neither credentials nor query strings in its URLs: `…` stands for them.

    The query string of a signed URL is as good as a password for what it names.
    """
    text = _CREDENTIALS.sub("…@", text)
    text = _QUERY.sub(r"\1?…", text)
    return _RELATIVE_QUERY.sub(r"\1?…", text)


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
