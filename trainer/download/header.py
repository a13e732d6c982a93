"""What an HTTP answer says of itself, besides checksums."""

import datetime
import email.utils
import http
import re
from collections.abc import Mapping

Header = Mapping[str, str]


def length(header: Header) -> int | None:
    """Bytes that are about to be sent."""
    value = header.get("Content-Length", "")
    return int(value) if value.isdigit() else None


def validator(header: Header) -> str | None:
    """What `If-Range` takes: a strong ETag, or a date (RFC 9110, section 13.1.5)."""
    etag = header.get("ETag", "")
    return etag if etag.startswith('"') else header.get("Last-Modified")


def part(header: Header) -> tuple[int, int | None]:
    """Position of the first byte that is sent, and size of the whole (RFC 9110, section 14.4).

    The position is -1 where the header does not say, the size None.
    """
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", header.get("Content-Range", ""))
    if match is None:
        return -1, None
    return int(match[1]), None if match[2] == "*" else int(match[2])


def retry_after(header: Header) -> float:
    """Seconds, which may be given as such or as a date (RFC 9110, section 10.2.3); 0 if not."""
    value = header.get("Retry-After", "")
    if value.isdigit():
        return float(value)
    try:
        date = email.utils.parsedate_to_datetime(value)
        return max(0.0, (date - datetime.datetime.now(datetime.UTC)).total_seconds())
    except (TypeError, ValueError):  # not given, or no date
        return 0.0


def status_line(status: int) -> str:
    """Such as "HTTP 404 Not Found"."""
    try:
        return f"HTTP {status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"
