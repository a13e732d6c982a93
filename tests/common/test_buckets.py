import socket

import pytest

from common.buckets import TENSORFLOW_SCHEMES, check_reachable, check_scheme
from common.errors import InputError, UnreachableError


def test_a_scheme_without_a_file_system_is_refused():
    for place in ("/here", "here", "gs://bucket", "a:b"):
        check_scheme("--x", place, ("gs",), "a path")
    with pytest.raises(
        InputError, match=r"^--x s3://b/c: s3:// is not supported; expected a path$"
    ):
        check_scheme("--x", "s3://b/c", ("gs",), "a path")
    with pytest.raises(InputError, match=r"; did you mean gs://b/c\?$"):
        check_scheme("--x", "gcs://b/c", ("gs",), "a path")


def test_the_schemes_are_tensorflows():
    import tensorflow as tf

    named = {scheme for scheme in tf.io.gfile.get_registered_schemes() if scheme}
    assert set(TENSORFLOW_SCHEMES) == named


def test_any_http_response_shows_that_the_bucket_is_reachable(server, monkeypatch):
    """`check_reachable` tests only the network, so even an error such as HTTP 403 is accepted."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"{server.url}/not/there")
    check_reachable("--dataset", "gs://bucket/x")
    check_reachable("--dataset", "/here")


def test_an_unreachable_bucket_is_an_error_at_once(monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with pytest.raises(UnreachableError) as error:
            check_reachable("--dataset", "gs://bucket/x")
    assert str(error.value) == (
        f"--dataset gs://bucket/x: {url} cannot be reached (Connection refused); expected a "
        "network, or a proxy named by https_proxy"
    )
