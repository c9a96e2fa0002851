"""Upstreams that speak the Messages API."""

from __future__ import annotations

from meso_services.api_proxy.faces.face import Action
from meso_services.api_proxy.facts import Facts
from meso_services.api_proxy.translate.to_anthropic import messages_request
from meso_services.api_proxy.translate.to_chat_answer import ChatAnswers
from meso_services.api_proxy.upstreams import same
from meso_services.api_proxy.upstreams.headers import callers_key, fresh
from meso_services.api_proxy.upstreams.keys import key_of
from meso_services.api_proxy.upstreams.plan import Incoming, Outgoing, Plan
from meso_services.api_proxy.upstreams.settings import Upstream

VERSION = "2023-06-01"


class Anthropic:
    """Itself for the Messages API; translated for chat completions."""

    native = frozenset({Action.MESSAGES, Action.COUNT_TOKENS})
    actions = native | {Action.CHAT}

    def plan(self, facts: Facts, incoming: Incoming, upstream: Upstream, model: str) -> Plan:
        key = key_of(upstream)
        pairs = [("x-api-key", key)] if key else []
        if facts.action in self.native:
            return same.plan(facts, incoming, upstream, model, pairs)
        request = messages_request(facts.document.keys, model)
        caller = callers_key(incoming)
        headers = fresh(incoming, pairs, [("x-api-key", caller)] if caller else [])
        return Plan(
            Outgoing(
                f"{upstream.url.rstrip('/')}/v1/messages",
                [*headers, ("anthropic-version", VERSION)],
                request.encode(),
            ),
            wire="anthropic",
            translator=ChatAnswers(facts.model, _wants_usage(facts)),
            untranslated=request.left_out,
        )


def _wants_usage(facts: Facts) -> bool:
    options = facts.document.keys.get("stream_options")
    return isinstance(options, dict) and bool(options.get("include_usage"))


KIND = Anthropic()
