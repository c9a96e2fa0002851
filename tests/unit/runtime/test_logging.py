"""Logs: fields that the journal understands, and no secret in them."""

from __future__ import annotations

import io
import logging
import socket
from pathlib import Path

import pytest

from meso_services.runtime.logging import JournalHandler, Log, TerminalHandler
from meso_services.runtime.redact import MASK, redact, redact_field


@pytest.mark.parametrize(
    "secret",
    [
        "sk-ant-api03-abcdefghijklmnop",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----",
    ],
)
def test_what_looks_like_a_key_is_masked(secret: str) -> None:
    shown = redact(f"before {secret} after")
    assert shown == f"before {MASK} after"


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdef0123456789",
        "password=hunter2",
        '{"api_key": "plainvalue1"}',
        "ANTHROPIC_API_KEY=plainvalue1",
        "token: 'plainvalue1'",
    ],
)
def test_what_is_called_a_secret_is_masked(text: str) -> None:
    shown = redact(text)
    assert MASK in shown
    assert not any(word in shown for word in ("hunter2", "plainvalue1", "abcdef0123456789"))


@pytest.mark.parametrize(
    "text", ["session 3f2a of 120 tokens", "GET /v1/sessions?limit=10", "max_tokens 4096", "sk-8"]
)
def test_plain_words_stay(text: str) -> None:
    assert redact(text) == text


def test_a_field_named_like_a_secret_is_masked_whole() -> None:
    assert redact_field("api_key", "anything at all") == MASK
    assert redact_field("path", "/v1") == "/v1"


def parse_native(data: bytes) -> dict[str, str]:
    """Read the journal's native protocol, as systemd's documentation describes it."""
    fields = {}
    while data:
        name, separator, rest = data.partition(b"\n")
        if b"=" in name:
            key, _, value = name.partition(b"=")
            data = rest
        else:
            assert separator
            key, size = name, int.from_bytes(rest[:8], "little")
            value, data = rest[8 : 8 + size], rest[9 + size :]
        fields[key.decode()] = value.decode()
    return fields


def test_the_journal_gets_every_fact_as_a_field(tmp_path: Path) -> None:
    """Priority as syslog counts, multi-line values whole, secrets masked."""
    path = tmp_path / "journal"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        journal.settimeout(5)
        handler = JournalHandler("meso-test", str(path))
        logger = logging.getLogger("test.journal")
        logger.addHandler(handler)
        try:
            raise ValueError("token=abc123secret")
        except ValueError as problem:
            Log("test.journal").exception("went\nwrong", problem, session="s1", api_key="k")
        finally:
            logger.removeHandler(handler)
        fields = parse_native(journal.recv(65536))
    assert (fields["PRIORITY"], fields["SYSLOG_IDENTIFIER"]) == ("3", "meso-test")
    assert (fields["MESO_SESSION"], fields["MESO_API_KEY"]) == ("s1", MASK)
    assert fields["MESSAGE"].startswith("went\nwrong\nTraceback")
    assert "abc123secret" not in fields["MESSAGE"]


def test_a_journal_that_is_away_breaks_nothing(tmp_path: Path) -> None:
    handler = JournalHandler("meso-test", str(tmp_path / "nobody"))
    handler.emit(logging.LogRecord("x", logging.INFO, "", 0, "lost", None, None))


def test_a_terminal_gets_one_readable_line() -> None:
    stream = io.StringIO()
    logger = logging.getLogger("test.terminal")
    logger.setLevel(logging.INFO)
    handler = TerminalHandler(stream)
    logger.addHandler(handler)
    Log("test.terminal").info("appended", session="s1", note="two words", code=None)
    logger.removeHandler(handler)
    assert stream.getvalue() == 'info: appended session=s1 note="two words"\n'
