"""What tests of the trainer share."""

import pytest

from tests.trainer.scripted_server import Server


@pytest.fixture
def server(monkeypatch):
    """A scripted web server, which no proxy of the environment is asked for."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        yield server
