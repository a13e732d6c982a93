import pickle

import pytest

from common.errors import InputError
from common.text import escape_controls, list_first, make_printable
from common.urls import remove_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:p@host/m.tar.gz", "https://…@host/m.tar.gz"),
        ("https://token@host:8080/m", "https://…@host:8080/m"),
        ("https://u:p@ss@host/m", "https://…@host/m"),
        ("https://host/m.tgz?X-Goog-Signature=ab%2F==&x=1", "https://host/m.tgz?…"),
        ("https://host/m?tok#en", "https://host/m?…"),
        (
            "--model https://h/m?t=1: HTTP 404 Not Found",
            "--model https://h/m?…: HTTP 404 Not Found",
        ),
        ("no (https://h/m?t=1), or https://h/n?t=2.", "no (https://h/m?…), or https://h/n?…."),
        ("'https://h/m?t=1'", "'https://h/m?…'"),
        ("Max retries exceeded with url: /m.tgz?X-Amz-Token=1 (", "… with url: /m.tgz?… ("),
        ("http://a:b@h/x?y=z and https://c@i/j?k", "http://…@h/x?… and https://…@i/j?…"),
        (
            '{"model":"https://u:p@h/m?t=1","n":"https://i"}',
            '{"model":"https://…@h/m?…","n":"https://i"}',
        ),
        ("https://host/#/runs/details/1", "https://host/#/runs/details/1"),
        ("gs://bucket/model.tar.gz", "gs://bucket/model.tar.gz"),
        ("/home/me@work/what?/x", "/home/me@work/what?/x"),
        ("Is it a dog? yes=no", "Is it a dog? yes=no"),
    ],
)
def test_secrets_of_urls_are_left_out(text, shown):
    shown = shown.replace("… with url", "Max retries exceeded with url")
    assert remove_secrets(text) == shown
    assert remove_secrets(shown) == shown


def test_a_long_line_is_processed_quickly():
    """Logs contain lines of a megabyte, so the run time must grow only linearly with the length."""
    text = "https://host/path/of/some/length," * 50_000
    assert remove_secrets(text) == text
    assert remove_secrets(f"{text}?x=1") == f"{text}?…"
    assert remove_secrets("?/" * 500_000) == "?/" * 500_000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("roses", "roses"),
        ("Rosé, 玫瑰, گل‌سرخ, 👩‍🌾", "Rosé, 玫瑰, گل‌سرخ, 👩‍🌾"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\nverdict: blessed\r\tb", r"a\nverdict: blessed\r\tb"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("exe\u202egpj.\u2066x\u200f", r"exe\u202egpj.\u2066x\u200f"),
        ("\x00\x7f\ufeff\u2060", r"\x00\x7f\ufeff\u2060"),
        (b"caf\xe9.jpg".decode("utf-8", "surrogateescape"), r"caf\udce9.jpg"),
    ],
)
def test_a_terminal_shows_a_name_as_it_is(text, shown):
    assert escape_controls(text) == shown
    assert escape_controls(shown) == shown
    assert shown.encode().decode() == shown  # encoding fails if a terminal cannot print the text


def test_an_error_message_has_neither_secrets_nor_controls():
    error = InputError("class a\n\x1b[31mb: https://u:p@h/m?sig=1: no such file")
    expected = r"class a\n\x1b[31mb: https://…@h/m?…: no such file"
    assert str(error) == str(pickle.loads(pickle.dumps(error))) == expected
    assert make_printable(expected) == expected


@pytest.mark.parametrize(
    ("names", "shown"),
    [("", ""), ("ab", "a, b"), ("abc", "a, b, c"), ("abcde", "a, b, c and 2 more")],
)
def test_names_beyond_the_first_are_counted(names, shown):
    assert list_first(names, 3) == shown
