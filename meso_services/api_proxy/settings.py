"""Settings of the API proxy."""

from __future__ import annotations

from typing import Self
from urllib.parse import urlsplit

from pydantic import model_validator

from meso_services.api_proxy.care.settings import (
    Breaker,
    Budgets,
    Cache,
    Client,
    Limits,
    Price,
    Records,
)
from meso_services.api_proxy.egress.hosts import parse_rule
from meso_services.api_proxy.egress.settings import Egress
from meso_services.api_proxy.fetch.settings import Fetch
from meso_services.api_proxy.routing.settings import Retry, Route
from meso_services.api_proxy.upstreams.settings import Upstream
from meso_services.runtime.settings import ServiceSettings, memory_limit, setting, table
from meso_services.runtime.sizes import Size


class Settings(ServiceSettings):
    """`[services.api_proxy]` of the appliance's file."""

    memory_max: Size = memory_limit("512M")
    upstreams: tuple[Upstream, ...] = setting(
        (), description="Providers of models that the proxy may call. Empty: it answers 503."
    )
    routes: tuple[Route, ...] = setting(
        (),
        max_length=64,
        description="Which requests go where. A request that no route takes goes to the upstream "
        "that names its model.",
    )
    private_clients: tuple[str, ...] = setting(
        (), description="Clients all of whose requests stay on the machine, marked or not."
    )
    retry: Retry = table(Retry, "Trying again.")
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
    answer_seconds: float = setting(
        300.0, gt=0, le=3600, description="Seconds within which an upstream must begin to answer."
    )
    max_answer: Size = setting(
        "16M",
        description="Largest answer that is not a stream, and largest single event of a stream.",
        examples=["16M"],
    )
    buffer_max: Size = setting(
        "128M",
        description="Bodies and answers held at once, all requests together. More waits its turn "
        "with 503 and Retry-After.",
        examples=["128M"],
    )
    tcp_port: int | None = setting(
        None,
        ge=1,
        le=65535,
        description="Port of 127.0.0.1 and ::1 on which clients with a key are served too. None: "
        "only the UNIX socket. A change counts from the next start of the service.",
        examples=[8095],
    )
    clients: tuple[Client, ...] = setting(
        (), description="Those who ask, with limits and budgets of their own."
    )
    limits: Limits = table(Limits, "How often and how much at once a client may ask.")
    budgets: Budgets = table(Budgets, "What may be spent.")
    prices: tuple[Price, ...] = setting((), description="What models cost.")
    breaker: Breaker = table(Breaker, "When an upstream that fails is left alone.")
    cache: Cache = table(Cache, "Answers that are given again.")
    audit: Records = table(Records, "One line for each request and each connection.")
    ledger: Records = table(Records, "What each request cost.")
    egress: Egress = table(Egress, "Which hosts sandboxed tools and the registry may reach.")
    fetch: Fetch = table(Fetch, "Which pages agents may get, as text.")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        names = [upstream.name for upstream in self.upstreams]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"upstreams: the name {twice[0]} is given twice")
        kinds = {upstream.name: upstream.kind for upstream in self.upstreams}
        for route in self.routes:
            for target in route.to:
                name = target.partition("/")[0]
                if kinds.get(name, "embed" if name == "embed" else "") in {"", "edge"}:
                    raise ValueError(f"routes.{route.name}: there is no model upstream {name}")
        return self

    def tcp_ports(self) -> tuple[int, ...]:
        """Ports that the proxy may connect to; the firewall lets nothing else of it out."""
        urls = [urlsplit(upstream.url) for upstream in self.upstreams if upstream.url]
        of_urls = [url.port or (80 if url.scheme == "http" else 443) for url in urls]
        of_rules = [parse_rule(text).port for text in (*self.egress.allow, *self.fetch.allow)]
        return tuple(sorted({*of_urls, *of_rules}))
