"""Settings of the API proxy."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from meso_services.api_proxy.care.settings import Records
from meso_services.api_proxy.egress.hosts import parse_rule
from meso_services.api_proxy.egress.settings import Egress
from meso_services.runtime.settings import Model, ServiceSettings, memory_limit, setting, table
from meso_services.runtime.sizes import Size


class Upstream(Model):
    """One provider of models."""

    name: str = setting(
        pattern=r"^[a-z][a-z0-9-]{0,31}$",
        description="Name by which requests, budgets and the journal refer to it.",
        examples=["anthropic"],
    )
    kind: Literal["anthropic", "openai"] = setting(
        description="API that it speaks: Messages (anthropic) or chat completions (openai)."
    )
    url: str = setting(
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$",
        description="Base address of its API, up to but without /v1, and without credentials.",
        examples=["https://api.anthropic.com"],
    )
    models: tuple[str, ...] = setting(
        (),
        description="Models that it serves. Empty: every model that no other upstream names.",
    )
    credential: str | None = setting(
        None,
        pattern=r"^meso\.[A-Za-z0-9._-]{1,200}$",
        description="systemd credential that holds its API key. None: the caller's key is passed.",
        examples=["meso.anthropic"],
    )


class Settings(ServiceSettings):
    """`[services.api_proxy]` of the appliance's file."""

    memory_max: Size = memory_limit("512M")
    upstreams: tuple[Upstream, ...] = setting(
        (), description="Providers of models that the proxy may call. Empty: it answers 503."
    )
    max_body: Size = setting(
        "32M",
        description="Largest request body taken. A larger one is answered with 413.",
        examples=["32M"],
    )
    idle_seconds: float = setting(
        300.0,
        gt=0,
        le=3600,
        description="Longest silence, in seconds, of a client or of an upstream.",
    )
    connect_seconds: float = setting(
        10.0, gt=0, le=300, description="Seconds within which an upstream must accept a connection."
    )
    audit: Records = table(Records, "One line for each request and each connection.")
    egress: Egress = table(Egress, "Which hosts sandboxed tools and the registry may reach.")

    def tcp_ports(self) -> tuple[int, ...]:
        """Ports that the proxy may connect to; the firewall lets nothing else of it out."""
        urls = [urlsplit(upstream.url) for upstream in self.upstreams]
        of_urls = [url.port or (80 if url.scheme == "http" else 443) for url in urls]
        of_rules = [parse_rule(text).port for text in self.egress.allow]
        return tuple(sorted({*of_urls, *of_rules}))
