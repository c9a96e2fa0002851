"""Upstreams that speak chat completions: OpenAI, OpenRouter, Ollama, llama.cpp, vLLM."""

from __future__ import annotations

import json

from meso_services.api_proxy.faces.face import Action
from meso_services.api_proxy.facts import Facts
from meso_services.api_proxy.translate.to_chat import chat_request
from meso_services.api_proxy.translate.to_messages_answer import MessagesAnswers
from meso_services.api_proxy.upstreams import same
from meso_services.api_proxy.upstreams.dialects import DIALECTS
from meso_services.api_proxy.upstreams.headers import callers_key, fresh
from meso_services.api_proxy.upstreams.keys import key_of
from meso_services.api_proxy.upstreams.plan import Incoming, Outgoing, Plan
from meso_services.api_proxy.upstreams.settings import Upstream


class OpenAI:
    """Itself for the chat completions API; translated for the Messages API."""

    native = frozenset({Action.CHAT, Action.EMBEDDINGS, Action.RESPONSES, Action.COMPLETIONS})
    actions = native | {Action.MESSAGES, Action.COUNT_TOKENS}

    def plan(self, facts: Facts, incoming: Incoming, upstream: Upstream, model: str) -> Plan:
        if facts.action is Action.COUNT_TOKENS:
            return _counted(facts)
        key = key_of(upstream)
        pairs = [("authorization", f"Bearer {key}")] if key else []
        if facts.action in self.native:
            return same.plan(facts, incoming, upstream, model, pairs)
        request = chat_request(facts.document.keys, model, DIALECTS[upstream.dialect])
        caller = callers_key(incoming)
        return Plan(
            Outgoing(
                f"{upstream.url.rstrip('/')}/v1/chat/completions",
                fresh(incoming, pairs, [("authorization", f"Bearer {caller}")] if caller else []),
                request.encode(),
            ),
            wire="openai",
            translator=MessagesAnswers(facts.model),
            untranslated=request.left_out,
        )


def _counted(facts: Facts) -> Plan:
    # No OpenAI-compatible API counts tokens. An estimate that says so is better than an error:
    # clients ask before they decide whether to shorten a conversation.
    answer = json.dumps({"input_tokens": max(1, facts.tokens)}).encode()
    return Plan(None, "openai", untranslated=("count_tokens is an estimate",), ready=answer)


KIND = OpenAI()
