"""Settings of routing and of trying again."""

from __future__ import annotations

from typing import Literal

from meso_services.api_proxy.upstreams.settings import NAME, Need, Place
from meso_services.runtime.settings import Model, setting, table


class When(Model):
    """Which requests a route is for. Every key that is given must hold; none: all requests."""

    models: tuple[str, ...] = setting(
        (), description="Model that the request names; `*` stands for anything."
    )
    tasks: tuple[str, ...] = setting(
        (),
        description="Kind of task, as the request says it (header `x-meso-task`), or `embedding`, "
        "`count`, `vision`, `tools`, `chat` where it says nothing.",
    )
    privacy: tuple[Place, ...] = setting(
        (), description="How the request is marked (header `x-meso-privacy`); unmarked: internet."
    )
    clients: tuple[str, ...] = setting((), description="Client that asks, by name.")
    faces: tuple[Literal["anthropic", "openai"], ...] = setting(
        (), description="API in whose words the request comes."
    )
    needs: tuple[Need, ...] = setting((), description="What the request needs, all of these.")
    min_tokens: int | None = setting(
        None, ge=0, description="Least size of the request, estimated in tokens."
    )
    max_tokens: int | None = setting(
        None, ge=0, description="Greatest size of the request, estimated in tokens."
    )


class Route(Model):
    """Where some requests go: the first route whose conditions hold is taken."""

    name: str = setting(pattern=NAME, description="Name by which the journal refers to it.")
    when: When = table(When, "Which requests it is for.")
    to: tuple[str, ...] = setting(
        min_length=1,
        max_length=16,
        description="Where they go: `UPSTREAM`, or `UPSTREAM/MODEL` to ask for another model. "
        "The next one is tried when one is not available.",
        examples=[["ollama/qwen3:8b", "anthropic/claude-haiku-4-5"]],
    )
    prefer: Literal["order", "nearest", "cheapest"] = setting(
        "order",
        description="What comes first: the order of `to`, the nearest place, or the lowest price.",
    )
    cache: bool = setting(
        False, description="Whether answers may be given again (see services.api_proxy.care)."
    )


class Retry(Model):
    """Trying again, at the same upstream and never after the first byte of an answer."""

    attempts: int = setting(2, ge=0, le=10, description="How often the same upstream is retried.")
    first_seconds: float = setting(
        0.5, gt=0, le=60, description="First pause; it doubles, and a random part is taken off."
    )
    longest_seconds: float = setting(
        10.0,
        gt=0,
        le=300,
        description="Longest pause. An upstream that asks for a longer one is not retried.",
    )
