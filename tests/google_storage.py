"""A stand-in for Cloud Storage, on loopback.

STORAGE_EMULATOR_HOST makes Google's client send its requests to the stand-in, whose responses
follow cloud.google.com/storage/docs/json_api/v1/objects/list.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.account import write_account
from tests.pipeline.runners.server import Api, ApiError, serving


def encoded(digest):
    return base64.b64encode(digest).decode()


class Storage(Api):
    """A stand-in for Cloud Storage: one bucket, with two objects on each page of its listing."""

    ROUTES = (
        ("POST", "/token", "token"),
        ("GET", "/storage/v1/b/(bucket|none)/o", "list"),
        ("GET", "/storage/v1/b/bucket/o/(.+)", "get"),
        ("GET", "/download/storage/v1/b/bucket/o/(.+)", "download"),
    )

    def __init__(self):
        super().__init__()
        self.objects = {}

    def error(self, status, message):
        return {"error": {"code": status, "message": message}}

    def token(self, request):
        return {"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}

    def list(self, request, bucket):
        if bucket == "none":
            raise ApiError(404, "The specified bucket does not exist.")
        names = sorted(n for n in self.objects if n.startswith(request.query["prefix"]))
        start = int(request.query.get("pageToken", "0"))
        answer = {"items": [self._item(name) for name in names[start : start + 2]]}
        if start + 2 < len(names):
            answer["nextPageToken"] = str(start + 2)
        return answer

    def get(self, request, quoted):
        return self._item(unquote(quoted))

    def download(self, request, quoted):
        if unquote(quoted) not in self.objects:
            raise ApiError(404, f"No such object: bucket/{unquote(quoted)}")
        content = self.objects[unquote(quoted)]
        wanted = request.headers.get("range", "bytes=0-")
        first, last = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted).groups()
        if int(first) >= len(content):
            raise ApiError(416, "the range is behind the end")
        return content[int(first) : int(last) + 1 if last else None]

    def _item(self, name):
        if name not in self.objects:
            raise ApiError(404, f"No such object: bucket/{name}")
        content = self.objects[name]
        item = {"name": name, "size": str(len(content)), "crc32c": encoded(content[:4])}
        if not name.endswith("composed.jpg"):
            item["md5Hash"] = encoded(hashlib.md5(content).digest())
        return item


@contextmanager
def storage_with(
    objects: dict[str, bytes], patch: pytest.MonkeyPatch, folder: Path
) -> Iterator[Storage]:
    """Runs the stand-in, whose bucket `bucket` contains `objects`; makes Google's client use the
    stand-in."""
    with serving(Storage()) as server:
        account = write_account(folder, token_uri=f"{server.url}/token")
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
        patch.setenv("STORAGE_EMULATOR_HOST", server.url)
        server.objects = dict(objects)
        yield server
