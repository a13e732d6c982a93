"""Google's storage as its JSON API answers: cloud.google.com/storage/docs/json_api/v1/objects/list.

Google's client sends its requests there (STORAGE_EMULATOR_HOST).
"""

import base64
import hashlib

import pytest

from common.errors import InputError
from components.image_example_gen.sources.bucket_listing import ListedFile, list_files
from components.image_example_gen.sources.remote_folder import RemoteFolderSource
from tests.account import write_account
from tests.pipeline.runners.server import Api, ApiError, serving

FLOWERS = "gs://bucket/flowers"


def encoded(digest):
    return base64.b64encode(digest).decode()


class Storage(Api):
    """A bucket whose listing has two objects on each page."""

    ROUTES = (("POST", "/token", "token"), ("GET", "/storage/v1/b/(bucket|none)/o", "list"))

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

    def _item(self, name):
        content = self.objects[name]
        item = {"name": name, "size": str(len(content)), "crc32c": encoded(content[:4])}
        if not name.endswith("composed.jpg"):
            item["md5Hash"] = encoded(hashlib.md5(content).digest())
        return item


@pytest.fixture
def storage(monkeypatch, tmp_path):
    with serving(Storage()) as server:
        account = write_account(tmp_path, token_uri=f"{server.url}/token")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        server.objects = {
            "flowers/daisy/1.jpg": b"daisy 1",
            "flowers/daisy/composed.jpg": b"daisy 2",
            "flowers/roses/": b"",
            "flowers/roses/1.jpg": b"rose  1",
            "flowers2/roses/1.jpg": b"another folder",
        }
        yield server


def test_files_have_the_size_and_the_checksum_of_the_listing(storage):
    files = {file.uri.removeprefix("gs://bucket/flowers/"): file for file in list_files(FLOWERS)}
    assert set(files) == {"daisy/1.jpg", "daisy/composed.jpg", "roses/", "roses/1.jpg"}
    md5 = encoded(hashlib.md5(b"daisy 1").digest())
    assert files["daisy/1.jpg"] == ListedFile("gs://bucket/flowers/daisy/1.jpg", 7, md5)
    assert files["daisy/composed.jpg"].version == encoded(b"dais")
    assert len(storage.of("GET", "/o")) == 2


def test_two_images_that_are_exchanged_and_only_they_make_a_difference(storage):
    def fingerprint():
        return RemoteFolderSource(FLOWERS).fingerprint()

    source = RemoteFolderSource(FLOWERS)
    assert source.classes() == ("daisy", "roses")
    before = fingerprint()
    assert fingerprint() == before
    one, other = "flowers/daisy/1.jpg", "flowers/roses/1.jpg"
    storage.objects[one], storage.objects[other] = storage.objects[other], storage.objects[one]
    assert fingerprint() != before


def test_a_bucket_that_is_not_there(storage):
    with pytest.raises(InputError, match=r"gs://none/x: cannot be listed .*bucket does not exist"):
        list_files("gs://none/x")
