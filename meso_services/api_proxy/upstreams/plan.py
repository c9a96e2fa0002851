"""What a kind of upstream makes of a request: what to send, and how to read the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from meso_services.api_proxy.faces.face import Action
from meso_services.api_proxy.facts import Facts
from meso_services.api_proxy.upstreams.settings import Upstream
from meso_services.runtime.redact import MIN_KNOWN

Pairs = Sequence[tuple[str, str]]
KEYS = frozenset({"authorization", "x-api-key"})


class UntranslatableError(Exception):
    """The request asks for something that this upstream's API has no words for."""


class StreamTranslator(Protocol):
    """One streamed answer, event by event, in other words."""

    def event(self, data: Any) -> bytes:
        """What the client gets for one event of the upstream; nothing is a valid answer."""

    def end(self) -> bytes:
        """What closes the stream. Raises ValueError if the upstream's was not complete."""


class Translator(Protocol):
    """Turns an upstream's answer into the words of the client's face."""

    def whole(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """A complete answer. Raises ValueError, TypeError, KeyError if it is not one."""

    def stream(self) -> StreamTranslator:
        """A state machine for one stream."""

    def pieces(self, answer: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """A complete answer as the events of a stream that would have said the same."""


@dataclass(frozen=True)
class Outgoing:
    """A request as it is sent. `socket` is the UNIX socket of a service of the appliance."""

    url: str
    headers: Pairs
    body: bytes = field(repr=False)
    socket: str | None = None


@dataclass(frozen=True)
class Plan:
    """`wire` is the API that the upstream answers in; without `translator` it is the client's.

    `untranslated` names what of the request was left out. `ready` is an answer that needs no
    upstream at all.
    """

    outgoing: Outgoing | None
    wire: str
    translator: Translator | None = None
    untranslated: tuple[str, ...] = ()
    ready: bytes | None = None

    def without_keys(self, error: bytes) -> bytes:
        """An error without the key that was sent: some servers quote it."""
        for name, value in self.outgoing.headers if self.outgoing else ():
            if name in KEYS and len(key := value.removeprefix("Bearer ")) >= MIN_KNOWN:
                error = error.replace(key.encode(), b"[redacted]")
        return error


@dataclass(frozen=True)
class Incoming:
    """The request's surroundings: its query, headers, and whether its key was made by us."""

    query: str
    headers: Pairs
    own_key: bool


class Kind(Protocol):
    """One kind of upstream. `native` are the actions that need no translation."""

    native: frozenset[Action]
    actions: frozenset[Action]

    def plan(self, facts: Facts, incoming: Incoming, upstream: Upstream, model: str) -> Plan:
        """How to ask `upstream` for `model`. Raises UntranslatableError or MesoError."""
