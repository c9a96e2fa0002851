"""What the proxy says of itself: routes, upstreams, and where a request would go."""

from __future__ import annotations

import json
from dataclasses import replace

from fastapi import FastAPI, Request

from meso_services.api_proxy.care.interface import Care
from meso_services.api_proxy.document import read
from meso_services.api_proxy.faces.face import Action, Face
from meso_services.api_proxy.faces.table import ASKING
from meso_services.api_proxy.facts import Facts, gather
from meso_services.api_proxy.pipeline import state_of
from meso_services.api_proxy.routing.decide import EMBED, Decision, Target, decide, reach_of
from meso_services.api_proxy.routing.nowhere import nowhere
from meso_services.api_proxy.settings import Settings
from meso_services.api_proxy.upstreams.keys import key_of
from meso_services.api_proxy.upstreams.kinds import KINDS
from meso_services.api_proxy.upstreams.plan import Incoming, UntranslatableError
from meso_services.api_proxy.upstreams.settings import Upstream
from meso_services.contract import proxy as wire
from meso_services.runtime.app import errors
from meso_services.runtime.errors import MesoError
from meso_services.runtime.peer import current_peer

_MAIN = {"anthropic": "/v1/messages", "openai": "/v1/chat/completions"}
# What only one of the two APIs has.
_ANTHROPIC_KEYS = frozenset({"system", "stop_sequences", "thinking", "output_config"})


def add_routes(app: FastAPI, settings: Settings, care: Care) -> None:
    """Add the routes."""

    @app.post("/v1/explain", responses=errors(403))
    async def explain(request: Request, asked: wire.ExplainRequest) -> wire.ExplainReply:
        """Say where a request would go, and every rule that was considered. Nothing is sent."""
        current_peer(request)
        facts, headers = _facts(asked, settings)
        decision = decide(facts, settings, state_of(care))
        return _explained(facts, decision, headers, settings)

    @app.get("/v1/routes", responses=errors(403))
    async def routes(request: Request) -> wire.RoutesReply:
        """List the routes and the upstreams, with how each of them is."""
        current_peer(request)
        return wire.RoutesReply(
            routes=tuple(
                wire.RouteReport(
                    name=route.name,
                    when={n: v for n, v in route.when.model_dump(mode="json").items() if v},
                    to=route.to,
                    prefer=route.prefer,
                    cache=route.cache,
                )
                for route in settings.routes
            ),
            upstreams=tuple(_upstream(one, care) for one in (*settings.upstreams, EMBED)),
        )


def _facts(asked: wire.ExplainRequest, settings: Settings) -> tuple[Facts, list[tuple[str, str]]]:
    face, action = _face(asked)
    pairs = [(name.lower(), value) for name, value in asked.headers.items()]
    raw = json.dumps(asked.body, ensure_ascii=False).encode(errors="backslashreplace")
    facts = gather(face, action, read(raw), dict(pairs), asked.client)
    if asked.client in settings.private_clients:
        facts = replace(facts, place="machine")
    return facts, pairs


def _face(asked: wire.ExplainRequest) -> tuple[Face, Action]:
    body = asked.body
    if asked.path is not None:
        path = asked.path
    elif asked.face is not None:
        path = _MAIN[asked.face]
    elif "input" in body:
        path = "/v1/embeddings"
    else:
        path = _MAIN["anthropic" if _ANTHROPIC_KEYS & body.keys() else "openai"]
    if path not in ASKING:
        known = ", ".join(ASKING)
        raise MesoError("request.invalid", f"path: one of {known} is expected", status=422)
    return ASKING[path]


def _explained(
    facts: Facts, decision: Decision, headers: list[tuple[str, str]], settings: Settings
) -> wire.ExplainReply:
    return wire.ExplainReply(
        face=facts.face.kind,
        model=facts.model,
        task=facts.kind,
        privacy=facts.place,
        needs=tuple(sorted(facts.needs)),
        tokens=facts.tokens,
        route=decision.route,
        chain=tuple(_target(facts, target, headers) for target in decision.targets),
        considered=tuple(
            wire.Considered(what=step.what, taken=step.taken, why=step.why)
            for step in decision.steps
        ),
        refused="" if decision.targets else nowhere(facts, decision, settings).message,
    )


def _target(facts: Facts, target: Target, headers: list[tuple[str, str]]) -> wire.TargetReport:
    upstream = target.upstream
    cannot = ""
    left_out: tuple[str, ...] = ()
    try:
        incoming = Incoming("", headers, own_key=False)
        plan = KINDS[upstream.kind].plan(facts, incoming, upstream, target.model)
        left_out = plan.untranslated
    except UntranslatableError as problem:
        cannot = f"{problem} cannot be said in its API"
    except MesoError as problem:
        cannot = problem.message
    return wire.TargetReport(
        upstream=upstream.name,
        kind=upstream.kind,
        place=reach_of(target),
        model=target.model,
        translated=facts.action not in KINDS[upstream.kind].native,
        left_out=left_out,
        cannot=cannot,
    )


def _upstream(upstream: Upstream, care: Care) -> wire.UpstreamReport:
    breaker = care.breaker(upstream.name)
    return wire.UpstreamReport(
        name=upstream.name,
        kind=upstream.kind,
        url=upstream.url or "/run/meso/embed.sock",
        place=upstream.reach,
        models=upstream.models,
        key=_key(upstream),
        breaker=breaker.state.value,
        retry_after=round(breaker.retry_after(), 1),
    )


def _key(upstream: Upstream) -> wire.KeyState:
    if upstream.credential is None:
        return "of the client"
    try:
        key_of(upstream)
    except MesoError:
        return "missing"
    return "present"
