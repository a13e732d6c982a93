import hashlib
import logging
import os
import stat
import subprocess
import sys
import time

import pytest

from backbones.download import DownloadError, Patience, download
from tests.backbones.scripted_server import Answer, random_bytes

BODY = random_bytes(300_000)
HURRIED = Patience(connect=1, read=0.3, tries=3, pause=0.01, longest_pause=1)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "below" / "file"


def fetch(url, target, patience=HURRIED, sha256=None):
    download(url, target, name="file", patience=patience, sha256=sha256)
    return target.read_bytes()


def files_beside(target):
    """Returns the names of the files in the folder of `target`, except lock files."""
    return sorted(path.name for path in target.parent.iterdir() if path.suffix != ".lock")


def test_a_file(server, target):
    assert fetch(server.answer("/file", Answer(body=BODY)), target) == BODY
    assert files_beside(target) == ["file"]
    assert fetch(server.url + "/file", target) == BODY
    assert len(server.requests) == 1  # the second call used the downloaded file


def test_an_interrupted_download_is_resumed(server, target):
    url = server.answer(
        "/file", Answer(body=BODY, sent=100_000), Answer(body=BODY, sent=200_000), Answer(body=BODY)
    )
    assert fetch(url, target) == BODY
    assert server.ranges == [None, "bytes=100000-", "bytes=200000-"]
    assert server.requests[1][1]["If-Range"] == '"1"'


def test_a_connection_that_breaks_often_but_makes_progress(server, target):
    cuts = [Answer(body=BODY, sent=cut) for cut in range(20_000, 300_000, 20_000)]
    assert fetch(server.answer("/file", *cuts, Answer(body=BODY)), target) == BODY


def test_a_download_without_etag_is_resumed_by_its_date(server, target):
    dated = {"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
    answers = [
        Answer(body=BODY, sent=sent, header=dated, etag=None, conditions=False)
        for sent in (100_000, None)
    ]
    assert fetch(server.answer("/file", *answers), target) == BODY
    assert server.requests[1][1]["If-Range"] == dated["Last-Modified"]


@pytest.mark.parametrize("etag", [None, 'W/"1"'])
def test_without_a_strong_validator_a_download_starts_again(server, target, etag):
    answers = [Answer(body=BODY, sent=sent, etag=etag, conditions=False) for sent in (9, None)]
    assert fetch(server.answer("/file", *answers), target) == BODY
    assert server.ranges == [None, None]


def test_a_server_that_ignores_ranges(server, target):
    url = server.answer("/file", Answer(body=BODY, sent=100_000), Answer(body=BODY, ranges=False))
    assert fetch(url, target) == BODY
    assert server.ranges == [None, "bytes=100000-"]


@pytest.mark.parametrize("conditions", [True, False])
def test_a_file_that_changed_during_the_download(server, target, conditions):
    """With `conditions=False`, the server ignores `If-Range`, and sends `other` from byte 9 on."""
    other = BODY[::-1]
    changed = Answer(body=other, etag='"2"', conditions=conditions)
    assert fetch(server.answer("/file", Answer(body=BODY, sent=9), changed), target) == other


def test_a_file_that_became_shorter(server, target):
    short = Answer(status=416, header={"Content-Range": "bytes */5"})
    url = server.answer("/file", Answer(body=BODY, sent=100), short, Answer(body=b"short"))
    assert fetch(url, target) == b"short"


def test_a_stalled_download_is_resumed(server, target):
    url = server.answer("/file", Answer(body=BODY, sent=100_000, stalled=2), Answer(body=BODY))
    started = time.monotonic()
    assert fetch(url, target) == BODY
    assert time.monotonic() - started < 1.5
    assert server.ranges == [None, "bytes=100000-"]


def test_a_server_that_stalls_each_time_is_given_up(server, target):
    url = server.answer("/file", Answer(body=BODY, sent=100, stalled=1))
    with pytest.raises(DownloadError, match=r"/file: the server sent nothing for 0\.3 s"):
        fetch(url, target)
    assert len(server.requests) == 1 + HURRIED.tries
    assert files_beside(target) == ["file.part", "file.part.json"]


def test_a_slow_download_has_a_time_limit(server, target):
    url = server.answer("/file", Answer(body=BODY, pace=10_000))
    with pytest.raises(DownloadError, match=r"not complete after 0\.5 s"):
        fetch(url, target, Patience(total=0.5))


@pytest.mark.parametrize("status", [401, 403, 404])
def test_permanent_errors_are_not_retried(server, target, status):
    with pytest.raises(DownloadError, match=f"HTTP {status}"):
        fetch(server.answer("/file", Answer(status=status)), target)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_retry_after_delays_the_next_request(server, target, status):
    busy = Answer(status=status, header={"Retry-After": "1"})
    url = server.answer("/file", busy, Answer(body=BODY))
    started = time.monotonic()
    assert fetch(url, target, Patience(pause=0.01, longest_pause=1)) == BODY
    assert 1 <= time.monotonic() - started < 2


def test_a_long_retry_after_is_shortened(server, target):
    busy = Answer(status=503, header={"Retry-After": "3600"})
    assert fetch(server.answer("/file", busy, Answer(body=BODY)), target) == BODY


def test_a_server_that_sends_less_than_it_says(server, target):
    longer = Answer(body=BODY, header={"Content-Length": "400000"}, ranges=False)
    with pytest.raises(DownloadError, match="broke off after 300000 of 400000 bytes"):
        fetch(server.answer("/file", longer), target)
    assert not target.exists()


def test_a_redirected_download_is_resumed_at_the_new_address(server, target):
    """Model hosts redirect each request to a new signed address."""
    moved = [Answer(status=302, header={"Location": f"/signed?{n}"}) for n in (1, 2)]
    url = server.answer("/file", *moved)
    server.answer("/signed?1", Answer(body=BODY, sent=100_000))
    server.answer("/signed?2", Answer(body=BODY))
    assert fetch(url, target) == BODY
    assert server.paths == ["/file", "/signed?1", "/file", "/signed?2"]
    assert server.ranges[-1] == "bytes=100000-"
    assert files_beside(target) == ["file"]


def test_a_redirection_that_never_ends(server, target):
    url = server.answer("/file", Answer(status=302, header={"Location": "/file"}))
    with pytest.raises(DownloadError, match=f"{url}: .*redirects"):
        fetch(url, target)
    assert not target.exists()


def chunked(content, *, ended):
    """Returns a response in chunks, without a `Content-Length`.

    If `ended` is False, the response lacks the empty chunk that marks the end of the body.
    """
    parts = (content[start : start + 50_000] for start in range(0, len(content), 50_000))
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return Answer(
        body=body + b"0\r\n\r\n" * ended,
        header={"Transfer-Encoding": "chunked", "Content-Length": None},
        ranges=False,
    )


def test_chunks_that_are_cut_off_are_not_taken_for_the_file(server, target):
    cut = chunked(BODY[:200_000], ended=False)
    url = server.answer("/file", cut, chunked(BODY, ended=True))
    assert fetch(url, target) == BODY
    assert len(server.requests) == 2
    target.unlink()
    with pytest.raises(DownloadError, match="broke off"):
        fetch(server.answer("/file", cut), target)
    assert not target.exists()


def test_a_digest_that_is_known_is_checked(server, target):
    digest = hashlib.sha256(BODY).hexdigest()
    url = server.answer("/file", Answer(body=BODY[::-1]), Answer(body=BODY))
    with pytest.raises(DownloadError, match=rf"its SHA-256 is [0-9a-f]{{64}}; expected {digest}"):
        fetch(url, target, sha256=digest)
    assert files_beside(target) == []
    assert fetch(url, target, sha256=digest) == BODY


def test_a_damaged_partial_file_is_found_out(server, target):
    digest = hashlib.sha256(BODY).hexdigest()
    url = server.answer("/file", Answer(body=BODY, sent=1000))
    with pytest.raises(DownloadError):
        fetch(url, target, sha256=digest)
    target.with_name("file.part").write_bytes(bytes(1000))
    url = server.answer("/file", Answer(body=BODY))
    with pytest.raises(DownloadError, match="its SHA-256 is"):
        fetch(url, target, sha256=digest)
    assert fetch(url, target, sha256=digest) == BODY
    assert server.ranges[-2:] == ["bytes=1000-", None]


def test_a_partial_file_of_another_url_is_not_resumed(server, target):
    with pytest.raises(DownloadError):
        fetch(server.answer("/one", Answer(body=BODY, sent=1000)), target)
    assert fetch(server.answer("/two", Answer(body=BODY[::-1])), target) == BODY[::-1]
    assert server.ranges[-1] is None


def test_the_download_of_a_killed_process_is_resumed(server, target, project):
    url = server.answer("/file", Answer(body=BODY, pace=100_000), Answer(body=BODY))
    code = (
        "import sys; from pathlib import Path; from backbones.download import download; "
        "assert 'requests' not in sys.modules; download(sys.argv[1], Path(sys.argv[2]), name='')"
    )
    process = subprocess.Popen([sys.executable, "-c", code, url, str(target)], cwd=project)
    part = target.with_name("file.part")
    deadline = time.monotonic() + 20
    while not (part.exists() and part.stat().st_size > 20_000) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not target.exists()
    size = part.stat().st_size
    assert 20_000 < size < len(BODY)
    assert fetch(url, target) == BODY
    assert server.ranges == [None, f"bytes={size}-"]


def test_a_process_that_was_killed_after_the_last_byte(server, target):
    """The partial file has all bytes, so `fetch` checks and uses the file without a request."""
    url = server.answer("/file", Answer(body=BODY, sent=9))
    with pytest.raises(DownloadError):
        fetch(url, target)
    target.with_name("file.part").write_bytes(BODY)
    server.requests.clear()
    assert fetch(url, target) == BODY
    assert server.requests == []


def test_no_connection_fails_within_seconds(target):
    started = time.monotonic()
    with pytest.raises(DownloadError, match=r"no connection \(connection refused\)"):
        fetch("http://127.0.0.1:9/file", target, Patience())
    with pytest.raises(DownloadError, match=r"no connection \(.*name"):
        fetch("https://nowhere.invalid/file", target, Patience())
    assert time.monotonic() - started < 10


def test_the_proxy_of_the_environment_is_asked(server, target, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    server.answer("http://nowhere.invalid/file", Answer(body=BODY))
    assert fetch("http://nowhere.invalid/file", target) == BODY
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(DownloadError, match=r"no connection \(connection refused\)"):
        fetch("https://nowhere.invalid/file", target.with_name("other"))


def test_an_invalid_url(target):
    for url in ("http://", "http://127.0.0.1:port/", "http://[/"):
        with pytest.raises(DownloadError):
            fetch(url, target)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written(server, tmp_path):
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(DownloadError, match="Permission denied"):
        fetch(server.answer("/file", Answer(body=BODY)), tmp_path / "file")


def test_a_target_below_a_file_is_refused(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="file"):
        fetch(server.answer("/file", Answer(body=BODY)), tmp_path / "file" / "below")


def test_progress(server, target, caplog):
    caplog.set_level(logging.DEBUG, "backbones.download")
    fetch(server.answer("/file", Answer(body=BODY, pace=400_000)), target)
    records = [record for record in caplog.records if hasattr(record, "download")]
    states = [record.download for record in records]
    assert [r.levelno for r in records].count(logging.INFO) == 2
    assert 3 <= len(states) <= 10
    assert (states[0].done, states[0].total, states[0].ended) == (0, len(BODY), False)
    assert (states[-1].done, states[-1].total, states[-1].ended) == (len(BODY), len(BODY), True)
    assert sorted(s.done for s in states) == [s.done for s in states]


def test_a_redirection_to_http_is_refused(server, target):
    """The download fails before it sends a request to the insecure address."""
    elsewhere = {"Location": "http://example.org/file?signature=1"}
    url = server.answer("/file", Answer(status=302, header=elsewhere))
    with pytest.raises(DownloadError, match=r"redirected to http://example\.org/file\?…, where"):
        fetch(url, target)
    assert files_beside(target) == []


def test_the_partial_file_does_not_keep_the_signature(server, target):
    url = server.answer("/file?signature=1", Answer(body=BODY, sent=1000), Answer(status=404))
    with pytest.raises(DownloadError, match=r"/file\?…: HTTP 404"):
        fetch(url, target)
    assert files_beside(target) == ["file.part", "file.part.json"]
    assert "signature" not in (target.parent / "file.part.json").read_text()
