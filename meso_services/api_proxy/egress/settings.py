"""Settings of the egress door."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from meso_services.api_proxy.egress.hosts import parse_rule
from meso_services.runtime.settings import Model, setting
from meso_services.runtime.sizes import Size

GRANTERS = ("meso-tool-executor", "meso-operon-loader")


def _host_rule(text: str) -> str:
    try:
        parse_rule(text)
    except ValueError:
        allowed = "host, host:port, *.host or *"
        raise PydanticCustomError("host_rule", "is not a host", {"allowed": allowed}) from None
    return text


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        allowed = "a network or an address: 192.168.1.0/24"
        raise PydanticCustomError("network", "is not a network", {"allowed": allowed}) from None


HostRule = Annotated[str, AfterValidator(_host_rule)]
NetworkRange = Annotated[str, AfterValidator(_network)]


class Egress(Model):
    """`[services.api_proxy.egress]`."""

    allow: tuple[HostRule, ...] = setting(
        (),
        description="Hosts that a grant may name: `host`, `host:port` (else 443), `*.host` for "
        "every name below, `*` for every host. Empty: none.",
        examples=[["pkg.test", "*.files.test", "github.com:22"]],
    )
    networks: tuple[NetworkRange, ...] = setting(
        (),
        description="Networks that may be reached although their addresses are not public.",
        examples=[["192.168.1.0/24"]],
    )
    granters: tuple[str, ...] = setting(
        GRANTERS,
        description="Users whose services may ask for a grant.",
    )
    max_grants: int = setting(
        256, ge=1, le=10_000, description="Grants that count at once. One more is refused."
    )
    max_tunnels: int = setting(
        64, ge=1, le=1024, description="Connections through the door at once."
    )
    max_tunnels_each: int = setting(
        16, ge=1, le=1024, description="Connections of one grant at once."
    )
    max_bytes: Size = setting(
        "1G",
        description="Bytes that one connection may carry, both ways together; then it is closed.",
        examples=["1G"],
    )
    max_seconds: int = setting(
        3600, ge=1, le=86_400, description="Seconds that one connection may last."
    )
    idle_seconds: float = setting(
        120.0, gt=0, le=3600, description="Seconds of silence after which a connection is closed."
    )
    connect_seconds: float = setting(
        10.0, gt=0, le=120, description="Seconds to look a name up and to connect."
    )
