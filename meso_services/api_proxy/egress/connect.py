"""The head of a CONNECT request, read strictly: bytes to one frozen value."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field

from meso_services.api_proxy.egress.hosts import Host, parse_host
from meso_services.runtime.errors import MesoError

MAX_HEAD = 8 * 1024
END = b"\r\n\r\n"
_TARGET = re.compile(rb"[A-Za-z0-9._:\[\]-]{1,300}")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\t]*?)[ \t]*")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,200}")
# A message's body would become the first bytes of the tunnel.
_BODY = frozenset({b"content-length", b"transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Connect:
    """What was asked: the host, and the token without which nothing is opened."""

    host: Host
    token: str = field(repr=False)


def parse(head: bytes) -> Connect:
    """Read a whole head, its empty line included.

    Raises MesoError `egress.malformed`, `egress.method` or `egress.no_token`.
    """
    line, *fields = head.removesuffix(END).split(b"\r\n")
    host = _request_line(line)
    tokens = [value for name, value in map(_field, fields) if name == b"proxy-authorization"]
    if len(tokens) > 1:
        raise _malformed("Proxy-Authorization stands there more than once")
    token = _token(tokens[0]) if tokens else None
    if token is None:
        raise no_token("the token is missing")
    return Connect(host, token)


def no_token(why: str) -> MesoError:
    """Who asks has to say who he is."""
    return MesoError(
        "egress.no_token",
        why,
        status=407,
        hint="Proxy-Authorization: Bearer TOKEN, from POST /v1/egress/grants",
        headers={"proxy-authenticate": 'Basic realm="meso"'},
    )


def _request_line(line: bytes) -> Host:
    parts = line.split(b" ")
    if len(parts) != 3 or parts[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise _malformed("the first line is not `CONNECT host:port HTTP/1.1`")
    if parts[0] != b"CONNECT":
        raise MesoError(
            "egress.method",
            "the door opens connections and does nothing else",
            status=405,
            hint="use CONNECT; a client does so for https addresses",
            headers={"allow": "CONNECT"},
        )
    if not _TARGET.fullmatch(parts[1]):
        raise _malformed("the host has characters that no host has")
    try:
        return parse_host(parts[1].decode("ascii"))
    except ValueError as problem:
        raise _malformed(str(problem)) from None


def _field(line: bytes) -> tuple[bytes, bytes]:
    found = _FIELD.fullmatch(line)
    if found is None:
        raise _malformed("a header cannot be read")
    name = found[1].lower()
    if name in _BODY and found[2] != b"0":
        raise _malformed("CONNECT has no body")
    return name, found[2]


def _token(value: bytes) -> str | None:
    scheme, _, rest = value.decode("ascii").partition(" ")
    text = rest.strip()
    if scheme.lower() == "basic":
        try:
            text = base64.b64decode(text, validate=True).decode("ascii").partition(":")[2]
        except (binascii.Error, ValueError):
            return None
    elif scheme.lower() != "bearer":
        return None
    return text if _TOKEN.fullmatch(text) else None


def _malformed(why: str) -> MesoError:
    return MesoError("egress.malformed", why, status=400)
