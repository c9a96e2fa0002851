"""Which headers pass in which direction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from meso_services.api_proxy.facts import Facts
from meso_services.api_proxy.upstreams.plan import KEYS, Incoming, Pairs

# Headers that belong to one connection, not to the message (RFC 9110, 7.6.1), and those that
# the next connection sets itself.
OWN_TO_CONNECTION = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"),
        *("upgrade", "proxy-authenticate", "proxy-authorization"),
        *("host", "content-length", "expect", "date", "server"),
    }
)
# What we can look into, to count tokens and to see errors.
READABLE = ("gzip", "deflate")


def passing(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Headers that pass from one connection to the next. Names are in lower case already."""
    pairs = list(headers)
    named = {
        word.strip().lower()
        for name, value in pairs
        if name == "connection"
        for word in value.split(",")
    }
    dropped = OWN_TO_CONNECTION | named
    return ((name, value) for name, value in pairs if name not in dropped)


def verbatim(facts: Facts, incoming: Incoming, key: Pairs) -> list[tuple[str, str]]:
    """The client's own headers, with the operator's key in place of the client's."""
    sent = [
        (name, value)
        for name, value in passing(incoming.headers)
        if name != "accept-encoding" and not name.startswith("x-meso-")
    ]
    if key or incoming.own_key:
        sent = [(name, value) for name, value in sent if name not in KEYS]
    return [*sent, *key, ("accept-encoding", _encoding(facts, incoming))]


def fresh(incoming: Incoming, key: Pairs, caller: Pairs) -> list[tuple[str, str]]:
    """Headers for a translated request: only what means the same in both APIs.

    Without a key of the operator the client's own is sent, under the name that this API reads.
    """
    agent = [(n, v) for n, v in incoming.headers if n == "user-agent"]
    sent_key = key or ([] if incoming.own_key else caller)
    return [
        ("content-type", "application/json"),
        ("accept-encoding", "identity"),
        *agent,
        *sent_key,
    ]


def callers_key(incoming: Incoming) -> str | None:
    """The key that the client sent, whichever header it used."""
    for name, value in incoming.headers:
        if name == "x-api-key":
            return value
        if name == "authorization" and value[:7].lower() == "bearer ":
            return value[7:].strip()
    return None


def _encoding(facts: Facts, incoming: Incoming) -> str:
    # A stream is read event by event; compression would hold events back.
    if facts.stream:
        return "identity"
    offered = ",".join(value for name, value in incoming.headers if name == "accept-encoding")
    words = {word.partition(";")[0].strip() for word in offered.split(",")}
    return ", ".join(name for name in READABLE if name in words) or "identity"
