"""A request to an upstream that speaks the client's own API: passed on byte for byte."""

from __future__ import annotations

from typing import Any

from meso_services.api_proxy.facts import Facts, cleaned, marked_inside
from meso_services.api_proxy.upstreams.headers import verbatim
from meso_services.api_proxy.upstreams.plan import Incoming, Outgoing, Pairs, Plan
from meso_services.api_proxy.upstreams.settings import Upstream


def plan(facts: Facts, incoming: Incoming, upstream: Upstream, model: str, key: Pairs) -> Plan:
    """Only the model's name changes, where a route says so, and our own marks go."""
    path = next(path for path, action in facts.face.routes.items() if action is facts.action)
    query = f"?{incoming.query}" if incoming.query else ""
    changes: dict[str, Any] = {}
    if model != facts.model:
        changes["model"] = model
    if marked_inside(facts.document):
        changes["metadata"] = cleaned(facts.document.keys["metadata"])
    document = facts.document
    return Plan(
        Outgoing(
            f"{upstream.url.rstrip('/')}{path}{query}",
            verbatim(facts, incoming, key),
            document.with_values(changes) if changes else document.raw,
        ),
        wire=facts.face.kind,
    )
