"""The door's parser: it takes what a CONNECT is and nothing that is nearly one."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meso_services.api_proxy.egress.connect import Connect, parse
from meso_services.api_proxy.egress.hosts import Host
from meso_services.runtime.errors import MesoError

TOKEN = "t" * 43
BEARER = f"Proxy-Authorization: Bearer {TOKEN}"
BASIC = "Proxy-Authorization: Basic " + base64.b64encode(f"any:{TOKEN}".encode()).decode()


def head(line: str = "CONNECT pkg.test:443 HTTP/1.1", *fields: str) -> bytes:
    return "\r\n".join([line, *fields, "", ""]).encode()


@pytest.mark.parametrize("field", [BEARER, BEARER.lower().replace("bearer", "BEARER"), BASIC])
def test_a_token_comes_as_bearer_or_as_basics_password(field: str) -> None:
    asked = parse(head("CONNECT pkg.test:443 HTTP/1.1", "Host: pkg.test", field))
    assert asked == Connect(Host("pkg.test", 443), TOKEN)
    assert TOKEN not in repr(asked)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (head("GET http://pkg.test/ HTTP/1.1", BEARER), "egress.method"),
        (head("connect pkg.test:443 HTTP/1.1", BEARER), "egress.method"),
        (head("CONNECT pkg.test HTTP/1.1", BEARER), "egress.malformed"),
        (head("CONNECT  pkg.test:443 HTTP/1.1", BEARER), "egress.malformed"),
        (head("CONNECT pkg.test:443 HTTP/2", BEARER), "egress.malformed"),
        (head("CONNECT u@pkg.test:443 HTTP/1.1", BEARER), "egress.malformed"),
        (head("CONNECT http://pkg.test:443 HTTP/1.1", BEARER), "egress.malformed"),
        (head("CONNECT pkg.test:443 HTTP/1.1", "Content-Length: 5", BEARER), "egress.malformed"),
        (
            head("CONNECT pkg.test:443 HTTP/1.1", "Transfer-Encoding: chunked", BEARER),
            "egress.malformed",
        ),
        (head("CONNECT pkg.test:443 HTTP/1.1", BEARER, BEARER), "egress.malformed"),
        (head("CONNECT pkg.test:443 HTTP/1.1", " folded: x", BEARER), "egress.malformed"),
        (head("CONNECT pkg.test:443 HTTP/1.1", "no colon", BEARER), "egress.malformed"),
        (head("CONNECT pkg.test:443 HTTP/1.1", "X : y", BEARER), "egress.malformed"),
        (head("CONNECT pkg.test:443 HTTP/1.1", "X: a\nb: c", BEARER), "egress.malformed"),
        (head(), "egress.no_token"),
        (
            head("CONNECT pkg.test:443 HTTP/1.1", "Proxy-Authorization: Basic ???"),
            "egress.no_token",
        ),
        (head("CONNECT pkg.test:443 HTTP/1.1", "Proxy-Authorization: Bearer x"), "egress.no_token"),
        (
            head("CONNECT pkg.test:443 HTTP/1.1", f"Authorization: Bearer {TOKEN}"),
            "egress.no_token",
        ),
    ],
)
def test_what_is_not_quite_a_connect_is_refused(raw: bytes, code: str) -> None:
    with pytest.raises(MesoError) as refused:
        parse(raw)
    assert refused.value.code == code


PARTS = st.sampled_from(
    [b"CONNECT", b" ", b"\r\n", b"\n", b"\r", b"pkg.test", b":443", b"[::1]", b"HTTP/1.1", b"\0",
     BEARER.encode(), b"Proxy-Authorization", b": ", b"Basic ", b"\xff", b"a" * 500, b"*."]
)  # fmt: skip


@given(st.one_of(st.binary(max_size=2000), st.lists(PARTS, max_size=30).map(b"".join)))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """And whatever is let through is a lower-case host, a port and a token."""
    try:
        asked = parse(raw)
    except MesoError as refused:
        assert refused.code in {"egress.malformed", "egress.method", "egress.no_token"}
        return
    assert asked.host.name == asked.host.name.lower()
    assert 1 <= asked.host.port <= 65535
    assert asked.token
