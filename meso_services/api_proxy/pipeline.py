"""One request from the client to an upstream and back."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace

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
from meso_services.api_proxy.wire import Client, Watch, body_of, headers_of
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
        with self._parts.buffers.held() as held:
            try:
                raw = await body_of(receive, held)
                await self._watched(scope, receive, client, Asked(face, action, raw, held, began))
            except MesoError as problem:
                if client.began:
                    raise
                await client.refuse(face, problem)

    async def _watched(self, scope: Scope, receive: Receive, client: Client, asked: Asked) -> None:
        watch = Watch(receive, client)
        try:
            await self._serve(scope, client, asked)
        except asyncio.CancelledError:
            if not watch.gone:
                raise
            watch.forgive()
        finally:
            watch.stop()

    async def _serve(self, scope: Scope, client: Client, asked: Asked) -> None:
        parts = self._parts
        headers = headers_of(scope)
        incoming = Incoming(
            scope["query_string"].decode("latin-1"), headers, own_key=_peer(scope) is None
        )
        who = self.client_of(scope, incoming)
        facts = gather(asked.face, asked.action, read(asked.raw), dict(headers), who.name)
        if who.name in parts.settings.private_clients:
            facts = replace(facts, place="machine")
        decision = decide(facts, parts.settings, state_of(parts.care))
        if not decision.targets:
            raise nowhere(facts, decision, parts.settings)
        async with await parts.care.admit(_ask(facts, decision, who, incoming)) as admission:
            here = Exchange(facts, incoming, client, asked.held, parts.settings, asked.began)
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

    def client_of(self, scope: Scope, incoming: Incoming) -> care.Client:
        """Who asks: the kernel's word on the socket, a key on TCP. Raises RefusalError."""
        peer = _peer(scope)
        if peer is not None:
            return self._parts.care.client(uid=peer.uid)
        return self._parts.care.client(key=callers_key(incoming) or "")


@dataclass(frozen=True)
class Asked:
    """A request as it was received. `began` is when, by time.perf_counter."""

    face: Face
    action: Action
    raw: bytes
    held: Held
    began: float


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


def _ask(facts: Facts, decision: Decision, who: care.Client, incoming: Incoming) -> care.Ask:
    return care.Ask(
        id=request_id.get(),
        client=who,
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
        vary=_varies(incoming) if decision.cache else b"",
    )


def _varies(incoming: Incoming) -> bytes:
    """What the answer depends on besides the body: betas and versions of the API."""
    chosen = sorted(
        f"{name.lower()}:{value}"
        for name, value in incoming.headers
        if name.lower().startswith(("anthropic-", "openai-"))
    )
    return "\0".join([incoming.query, *chosen]).encode()
