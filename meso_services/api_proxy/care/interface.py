"""What the pipeline asks of care, in types. Nothing here does anything.

One request goes through it like this:

    ask = Ask(...)                           # after routing has said what could serve it
    async with await care.admit(ask) as held:    # may wait in the queue; raises RefusalError
        if held.cached is not None: ...      # replay it, then settle(Outcome.CACHED)
        for target in ask.targets:
            permit = care.breaker(target.upstream).enter()
            if permit is None: continue      # open: the next target of the chain
            ...                              # then exactly one of permit.success/failure/abandon
        held.settle(Settlement(...))         # exactly once; leaving without it releases

A RefusalError is a MesoError: let it rise, and the face says it in its own shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Any, Protocol, Self

from meso_services.runtime.errors import MesoError

# The official clients obey this header before they look at the status.
FINAL = {"x-should-retry": "false"}


class RefusalError(MesoError):
    """Care says no. `terminal`: asking again cannot succeed until the operator acts or a day
    passes, so clients are told not to. Otherwise `retry-after` says when to come back."""

    def __init__(  # noqa: PLR0913 (keyword-only, and they are the error's parts)
        self,
        code: str,
        message: str,
        *,
        status: int,
        hint: str = "",
        detail: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        again = {"retry-after": str(max(1, round(retry_after + 0.5)))} if retry_after else FINAL
        super().__init__(code, message, status=status, hint=hint, detail=detail, headers=again)
        self.terminal = retry_after is None


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks. `name` is what limits, budgets, metrics and the audit call it.

    `care.client(...)` makes one from the caller's uid or, on TCP, from its key.
    """

    name: str
    uid: int | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One upstream and the model's name there."""

    upstream: str
    model: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens by class, each counted once: `input` is without what came from or went to a cache,
    `output` is without `reasoning`. Where an upstream does not tell them apart, the rest is 0.
    `cache_write_1h` are those of `cache_write` that are kept for an hour, at another price."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    cache_write_1h: int = 0

    @property
    def total(self) -> int:
        return self.input + self.output + self.cache_read + self.cache_write + self.reasoning


@dataclass(frozen=True, slots=True)
class Ask:
    """A request before it goes anywhere.

    `targets` is the chain in its order: the dearest one is reserved for. `body` is what the
    client sent. `max_output` is the request's own bound in tokens, None if it gives none.
    `cache` only where the route says so; a private request's answer is kept for its client
    alone, and a `stream` is answered from a stream only. `vary` is what else the answer depends
    on: the query, headers such as anthropic-beta. `max_input` is a bound of the input's tokens
    where the pipeline knows one; else a token for three bytes of the body is assumed.
    """

    id: str
    client: Client
    face: str
    route: str
    targets: tuple[Target, ...]
    body: bytes = field(repr=False)
    max_output: int | None = None
    session: str | None = None
    stream: bool = False
    private: bool = False
    cache: bool = False
    why: str = ""
    max_input: int | None = None
    vary: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class CachedReply:
    """An answer that may be given again: its bytes as they were, a stream's events included."""

    status: int
    headers: tuple[tuple[str, str], ...]
    pieces: tuple[bytes, ...]


class Outcome(StrEnum):
    """How a request ended."""

    OK = "ok"
    CACHED = "cached"
    UPSTREAM_ERROR = "upstream_error"  # it answered with an error, or an error inside a 200
    UNREACHABLE = "unreachable"  # no upstream of the chain took it
    CUT = "cut"  # the answer ended before it was complete
    CANCELLED = "cancelled"  # the client went away


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a request cost.

    `target` is who served it, None if nobody. `usage` is what the upstream counted; None where
    it is unknown, and then the whole reservation is charged if there was a `target`, since the
    upstream may have done all the work. Times are in seconds since the request came.
    """

    outcome: Outcome
    target: Target | None = None
    usage: Usage | None = None
    status: int = 0
    seconds: float = 0.0
    first_byte: float | None = None
    tries: int = 1
    reply: CachedReply | None = field(default=None, repr=False)
    why: str = ""


class Admission(Protocol):
    """A place in the house: a slot, and money held for the request."""

    @property
    def cached(self) -> CachedReply | None:
        """The answer that is kept already; then no slot and no money is held."""

    def settle(self, settlement: Settlement) -> None:
        """Give back the slot, charge what it cost, write it down. Never waits; a second call
        does nothing."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class BreakerState(StrEnum):
    """`open`: it failed too often and is left alone. `half_open`: one request finds out."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Permit(Protocol):
    """Leave to try one upstream once. The first of the three calls counts."""

    def success(self) -> None:
        """It answered, and the answer was its own (an error of the caller's is a success)."""

    def failure(self) -> None:
        """It could not be reached, was too slow, cut, or answered 5xx or 429."""

    def abandon(self) -> None:
        """Nothing was learnt: the client went away."""


class Breaker(Protocol):
    """Whether an upstream is worth trying."""

    @property
    def state(self) -> BreakerState: ...

    def retry_after(self) -> float:
        """Seconds until it is tried again; 0 if it may be tried now."""

    def enter(self) -> Permit | None:
        """Leave to try it now, or None. Routing asks `state` and never this."""


class Care(Protocol):
    """All of it. Lives as long as the process; a reload changes its settings."""

    def cost(self, target: Target, usage: Usage) -> float | None:
        """US dollars of that usage there; None if no price is known. For routing by cost."""

    def client(self, *, uid: int | None = None, key: str | None = None) -> Client:
        """Who calls: `uid` from the kernel on the UNIX socket, `key` from the request on TCP.

        Raises RefusalError `client.unknown_key` (401).
        """

    def turned_away(
        self, request: str, client: Client | None, face: str, model: str, error: MesoError
    ) -> None:
        """Write down a request that was refused before there was anything to admit. `client` is
        None where nobody knows who it was, `model` "" where it was not read."""

    async def admit(self, ask: Ask) -> Admission:
        """Let it in, perhaps after a wait. Raises RefusalError, which is then audited already."""

    def breaker(self, upstream: str) -> Breaker:
        """The breaker of the upstream of that name."""
