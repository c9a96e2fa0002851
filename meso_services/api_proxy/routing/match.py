"""Is a route for a request?"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from meso_services.api_proxy.facts import Facts
from meso_services.api_proxy.routing.settings import When


def mismatch(facts: Facts, when: When) -> str:
    """The first condition of `when` that does not hold, in words; "" if all hold."""
    return next(_mismatches(facts, when), "")


def _mismatches(facts: Facts, when: When) -> Iterator[str]:
    if when.models and not any(fnmatchcase(facts.model, pattern) for pattern in when.models):
        yield f"the model {facts.model} is none of {', '.join(when.models)}"
    if when.tasks and facts.kind not in when.tasks:
        yield f"the task {facts.kind} is none of {', '.join(when.tasks)}"
    if when.privacy and facts.place not in when.privacy:
        yield f"the mark {facts.place} is none of {', '.join(when.privacy)}"
    if when.clients and facts.client not in when.clients:
        yield f"the client {facts.client} is none of {', '.join(when.clients)}"
    if when.faces and facts.face.kind not in when.faces:
        yield f"the face {facts.face.kind} is none of {', '.join(when.faces)}"
    if lacking := set(when.needs) - facts.needs:
        yield f"it does not need {', '.join(sorted(lacking))}"
    if when.min_tokens is not None and facts.tokens < when.min_tokens:
        yield f"about {facts.tokens} tokens are fewer than {when.min_tokens}"
    if when.max_tokens is not None and facts.tokens > when.max_tokens:
        yield f"about {facts.tokens} tokens are more than {when.max_tokens}"
