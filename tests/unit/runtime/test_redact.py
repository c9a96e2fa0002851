"""What is taken out of logs and records, and that no text keeps the search busy."""

from __future__ import annotations

import time

import pytest

from meso_services.runtime.redact import MASK, redact

# A service does this to what agents write; what tries again and again would take minutes.
SIZE, SECONDS = 60_000, 10.0


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("api_key=abc", f"api_key={MASK}"),
        ('{"x-api-key": "a b"}', f'{{"x-api-key": {MASK}}}'),
        ("my-token : abc;", f"my-token : {MASK};"),
        ("PASSWORD='a\"b'", f"PASSWORD={MASK}"),
        ("token-of-mine=abc", f"token-of-mine={MASK}"),
        ("x=1,secretly=2", f"x=1,secretly={MASK}"),
        ("Authorization: Bearer abcdefgh12", f"Authorization: {MASK} {MASK}"),
        ("-eyJhbGciOiJI.eyJzdWIiOiIx.c2ln-", f"-{MASK}"),
        ("a tokenizer and a secretary", "a tokenizer and a secretary"),
        ("tokens: 5", f"tokens: {MASK}"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, kept: str) -> None:
    assert redact(text) == kept


@pytest.mark.parametrize(
    "piece",
    [
        *("x", "0", "-", "token", "token-", "token ", 'token="', "token='\"", "passwd-api-key-"),
        *("ey-", "eyJhbGciOiJI.", "bearer ", "-----BEGIN ", "-----BEGIN A ", "sk-", "AKIA", "ghp_"),
    ],
)
@pytest.mark.parametrize("before", ["", "token", "bearer", "-----BEGIN "])
def test_a_long_text_is_searched_in_bounded_time(piece: str, before: str) -> None:
    text = before + piece * (SIZE // len(piece))
    began = time.process_time()
    redact(text)
    assert time.process_time() - began < SECONDS
