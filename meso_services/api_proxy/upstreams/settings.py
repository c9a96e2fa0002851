"""Settings of an upstream, and of the routes between requests and upstreams."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import model_validator

from meso_services.runtime.settings import Model, setting

# How far content may travel, from the nearest to the farthest.
Place = Literal["machine", "network", "internet"]
PLACES: tuple[Place, ...] = ("machine", "network", "internet")
Need = Literal["tools", "images", "documents", "thinking", "structured"]
Kind = Literal["anthropic", "openai", "embed", "edge"]
Dialect = Literal["openai", "openrouter", "ollama", "llamacpp", "vllm"]
NAME = r"^[a-z][a-z0-9-]{0,31}$"
_URL = r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$"


class Parameter(Model):
    """One parameter of a command: numbers, truth values, words of a list; never free text."""

    name: str = setting(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,63}$", description="Its name.")
    type: Literal["integer", "number", "boolean", "word"] = setting(
        description="What it takes. `word`: one of `words`."
    )
    words: tuple[str, ...] = setting(
        (), max_length=64, description="The words that may be given, for the type `word`."
    )
    minimum: float | None = setting(None, description="Least number that may be given.")
    maximum: float | None = setting(None, description="Greatest number that may be given.")
    required: bool = setting(True, description="Whether a call must give it.")


class Command(Model):
    """A tool of an edge node that may be called."""

    tool: str = setting(
        pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,127}$", description="The tool's name at the node."
    )
    parameters: tuple[Parameter, ...] = setting(
        (), max_length=32, description="What a call may give. Nothing else reaches the node."
    )
    expires_seconds: int = setting(
        86400,
        ge=1,
        le=2592000,
        description="Seconds after which a call that could not be delivered is given up.",
    )


class Upstream(Model):
    """One provider of models, or an edge node."""

    name: str = setting(
        pattern=NAME,
        description="Name by which requests, budgets and the journal refer to it.",
        examples=["anthropic"],
    )
    kind: Kind = setting(
        description="What it speaks: the Messages API (anthropic), chat completions (openai), "
        "the appliance's own embedding model (embed), or MCP (edge)."
    )
    url: str = setting(
        "",
        pattern=rf"^$|{_URL}",
        description="Base address of its API, up to but without /v1 (edge: its MCP endpoint), "
        "and without credentials. Empty for the kind embed only.",
        examples=["https://api.anthropic.com"],
    )
    dialect: Dialect = setting(
        "openai",
        description="Which OpenAI-compatible server it is; matters where requests are translated.",
    )
    place: Place | None = setting(
        None,
        description="How far a request to it travels. Left out: `machine` for a loopback "
        "address, else `internet`. `network`: a computer of yours, by the operator's word.",
    )
    models: tuple[str, ...] = setting(
        (),
        description="Models that it serves; `*` stands for anything. "
        "Empty: every model that no other upstream names.",
        examples=[["claude-*"]],
    )
    cannot: tuple[Need, ...] = setting(
        (), description="What its models cannot do; requests that need it go elsewhere."
    )
    context_tokens: int | None = setting(
        None,
        ge=1,
        description="Largest request in tokens that it takes; larger ones go elsewhere.",
    )
    credential: str | None = setting(
        None,
        pattern=r"^meso\.[A-Za-z0-9._-]{1,200}$",
        description="systemd credential that holds its API key. None: the caller's key is passed.",
        examples=["meso.anthropic"],
    )
    commands: tuple[Command, ...] = setting(
        (), max_length=64, description="The tools of an edge node that may be called."
    )
    queue_max: int = setting(
        64, ge=1, le=4096, description="Calls kept for an edge node while it is offline."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if bool(self.url) == (self.kind == "embed"):
            raise ValueError("every kind but embed needs a url, and embed takes none")
        if self.commands and self.kind != "edge":
            raise ValueError("commands belong to the kind edge")
        if self.place == "machine" and self.url and not loopback(self.url):
            raise ValueError("place machine needs a loopback address as url")
        return self

    @property
    def reach(self) -> Place:
        """How far a request to it travels."""
        if self.place is not None:
            return self.place
        return "machine" if not self.url or loopback(self.url) else "internet"


@lru_cache(256)
def loopback(url: str) -> bool:
    """True if `url` names this machine itself, without asking anybody."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
