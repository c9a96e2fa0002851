"""One request from the client to an upstream and back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from starlette.types import Receive, Scope, Send

from meso_services.api_proxy.buffers import Buffers, Held
from meso_services.api_proxy.care import interface as care
from meso_services.api_proxy.chain import Chain
from meso_services.api_proxy.document import read
from meso_services.api_proxy.exchange import Exchange
from meso_services.api_proxy.faces.face import Action, Face
from meso_services.api_proxy.faces.table import ASKING
from meso_services.api_proxy.facts import Facts, gather
from meso_services.api_proxy.routing.decide import Decision, State, decide
from meso_services.api_proxy.routing.nowhere import nowhere
from meso_services.api_proxy.settings import Settings
from meso_services.api_proxy.upstreams.connections import Connections
from meso_services.api_proxy.upstreams.headers import callers_key
from meso_services.api_proxy.upstreams.plan import Incoming
from meso_services.api_proxy.wire import Client, Watch, body_of, headers_of, thrown_away
from meso_services.runtime.errors import MesoError
from meso_services.runtime.logging import request_id
from meso_services.runtime.peer import PEER_KEY, Peer

_MILLION_EACH = care.Usage(input=1_000_000, output=1_000_000)


@dataclass(frozen=True)
class Parts:
    """What the pipeline works with; the last three live as long as the process."""

    settings: Settings
    care: care.Care
    connections: Connections
    buffers: Buffers


class Pipeline:
    """ASGI application for the paths that ask a model."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        face, action = ASKING[scope["path"]]
        client = Client(scope, send)
        began = time.perf_counter()
        asked = Asked(face, action, began)
        with self._parts.buffers.held() as held:
            try:
                await self._introduced(scope, receive, asked)
                with self._written_down(asked):
                    asked.raw = await body_of(receive, held)
                await self._watched(receive, client, asked, held)
            except MesoError as problem:
                if client.began:
                    raise
                await client.refuse(face, problem)

    async def _introduced(self, scope: Scope, receive: Receive, asked: Asked) -> None:
        """Who asks, before the body is read: nothing of a stranger's is held."""
        asked.incoming = _incoming(scope)
        try:
            with self._written_down(asked):
                asked.who = self.client_of(scope, asked.incoming)
        except MesoError:
            await thrown_away(receive)
            raise

    @contextmanager
    def _written_down(self, asked: Asked) -> Iterator[None]:
        """What is refused before care has heard of it leaves its line all the same."""
        try:
            yield
        except MesoError as problem:
            self._parts.care.turned_away(
                request_id.get(), asked.who, asked.face.kind, asked.model, problem
            )
            raise

    async def _watched(self, receive: Receive, client: Client, asked: Asked, held: Held) -> None:
        watch = Watch(receive, client)
        try:
            await self._serve(client, asked, held)
        except asyncio.CancelledError:
            if not watch.gone:
                raise
            watch.forgive()
        finally:
            watch.stop()

    async def _serve(self, client: Client, asked: Asked, held: Held) -> None:
        parts = self._parts
        with self._written_down(asked):
            facts, decision = self._decided(asked)
        async with await parts.care.admit(_ask(facts, decision, asked)) as admission:
            here = Exchange(facts, asked.incoming, client, held, parts.settings, asked.began)
            chain = Chain(parts.care, parts.connections, decision, here)
            try:
                if admission.cached is not None:
                    await chain.replay(admission.cached)
                else:
                    await chain.run()
            except asyncio.CancelledError:
                chain.cancelled()
                raise
            finally:
                admission.settle(chain.settlement())

    def _decided(self, asked: Asked) -> tuple[Facts, Decision]:
        settings = self._parts.settings
        name = asked.who.name if asked.who else ""
        document = read(asked.raw)
        facts = gather(asked.face, asked.action, document, dict(asked.incoming.headers), name)
        asked.model = facts.model
        if name in settings.private_clients:
            facts = replace(facts, place="machine")
        decision = decide(facts, settings, state_of(self._parts.care))
        if not decision.targets:
            raise nowhere(facts, decision, settings)
        return facts, decision

    def client_of(self, scope: Scope, incoming: Incoming) -> care.Client:
        """Who asks: the kernel's word on the socket, a key on TCP. Raises RefusalError."""
        peer = _peer(scope)
        if peer is not None:
            return self._parts.care.client(uid=peer.uid)
        return self._parts.care.client(key=callers_key(incoming) or "")


@dataclass
class Asked:
    """A request, as far as it is known yet. `began` is when it came, by time.perf_counter."""

    face: Face
    action: Action
    began: float
    incoming: Incoming = field(default_factory=lambda: Incoming("", (), own_key=True))
    who: care.Client | None = None
    raw: bytes = field(default=b"", repr=False)
    model: str = ""


def state_of(rules: care.Care) -> State:
    """What routing has to know of this moment."""

    def down(upstream: str) -> str:
        breaker = rules.breaker(upstream)
        if breaker.state is not care.BreakerState.OPEN:
            return ""
        return f"it failed too often and is left alone for {breaker.retry_after():.0f} s"

    def price(upstream: str, model: str) -> float | None:
        return rules.cost(care.Target(upstream, model), _MILLION_EACH)

    return State(down=down, price=price)


def _peer(scope: Scope) -> Peer | None:
    peer = scope.get(PEER_KEY)
    return peer if isinstance(peer, Peer) else None


def _incoming(scope: Scope) -> Incoming:
    query = scope["query_string"].decode("latin-1")
    return Incoming(query, headers_of(scope), own_key=_peer(scope) is None)


def _ask(facts: Facts, decision: Decision, asked: Asked) -> care.Ask:
    return care.Ask(
        id=request_id.get(),
        client=asked.who or care.Client(""),
        face=facts.face.kind,
        route=decision.route,
        targets=tuple(care.Target(t.upstream.name, t.model) for t in decision.targets),
        body=facts.document.raw,
        max_output=facts.max_output,
        session=facts.session,
        stream=facts.stream,
        private=facts.place != "internet",
        cache=decision.cache,
        why=decision.why,
        max_input=0 if facts.free else None,
        vary=_varies(asked.incoming) if decision.cache else b"",
    )


def _varies(incoming: Incoming) -> bytes:
    """What the answer depends on besides the body: betas and versions of the API, and how it
    may be compressed."""
    chosen = sorted(
        f"{name}:{value}"
        for name, value in incoming.headers
        if name.startswith(("anthropic-", "openai-")) or name == "accept-encoding"
    )
    return "\0".join([incoming.query, *chosen]).encode()
