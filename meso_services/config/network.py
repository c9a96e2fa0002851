"""Network interfaces, name servers, time servers, and the name on the local network."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from meso_services.runtime.settings import Model, setting


def _parsed_by(parse: Callable[[str], Any], kind: str, allowed: str) -> AfterValidator:
    def check(text: str) -> str:
        try:
            return str(parse(text))
        except ValueError:
            raise PydanticCustomError(kind, f"is not {kind}", {"allowed": allowed}) from None

    return AfterValidator(check)


def _interface_address(text: str) -> str:
    if "/" not in text:
        raise ValueError
    return str(ipaddress.ip_interface(text))


def _server(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.:-]{1,253}", text):
        raise ValueError
    return text


Address = Annotated[
    str,
    _parsed_by(ipaddress.ip_address, "an IP address", "an IPv4 or IPv6 address: 192.0.2.1"),
]
InterfaceAddress = Annotated[
    str,
    _parsed_by(
        _interface_address, "an address with a prefix", "an address and its prefix: 192.0.2.10/24"
    ),
]
NetworkRange = Annotated[
    str,
    _parsed_by(
        ipaddress.ip_network, "a network", "a network or an address: 192.0.2.0/24, 2001:db8::/32"
    ),
]
Server = Annotated[
    str, _parsed_by(_server, "a server", "a host name or an IP address: ntp.example.org")
]


def _plain_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,31}", name):
        raise ValueError
    return name


InterfaceName = Annotated[
    str, _parsed_by(_plain_name, "a plain name", "lower-case letters, digits and hyphens: lan")
]


class Interface(Model):
    """`[network.interfaces.NAME]`: one or more network cards, and how they are addressed."""

    name: str = setting(
        "",
        pattern=r"^([A-Za-z0-9_.*?-]{1,15})?$",
        description="Kernel's name of the card, `*` and `?` match anything. "
        "Empty (with `mac` empty too): every Ethernet card.",
        examples=["enp1s0", "en*"],
    )
    mac: str = setting(
        "",
        pattern=r"^([0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5})?$",
        description="Hardware address of the card, which stays when the kernel's name changes.",
        examples=["52:54:00:12:34:56"],
    )
    dhcp: bool = setting(True, description="Whether to ask for an address (IPv4 and IPv6).")
    addresses: tuple[InterfaceAddress, ...] = setting(
        (), description="Fixed addresses with prefix.", examples=[["192.168.1.10/24"]]
    )
    gateways: tuple[Address, ...] = setting(
        (),
        description="Routers to other networks, with fixed addresses.",
        examples=[["192.168.1.1"]],
    )

    @field_validator("addresses")
    @classmethod
    def _has_an_address(cls, addresses: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not addresses and info.data.get("dhcp") is False:
            raise PydanticCustomError(
                "address",
                "gives the card no address, although dhcp is off",
                {"allowed": 'at least one address, such as ["192.168.1.10/24"], or dhcp = true'},
            )
        return addresses

    @field_validator("gateways")
    @classmethod
    def _is_reachable(cls, gateways: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        networks = [ipaddress.ip_interface(each).network for each in info.data.get("addresses", ())]
        for gateway in map(ipaddress.ip_address, gateways):
            reachable = any(gateway in network for network in networks)
            if not reachable and not gateway.is_link_local and "addresses" in info.data:
                raise PydanticCustomError(
                    "gateway",
                    "lies in none of the networks of `addresses`",
                    {"allowed": "an address in " + (", ".join(map(str, networks)) or "no network")},
                )
        return gateways


class Network(Model):
    """`[network]`."""

    dns: tuple[Address, ...] = setting(
        (), description="Name servers. Empty: those that DHCP names.", examples=[["9.9.9.9"]]
    )
    ntp: tuple[Server, ...] = setting(
        (),
        description="Time servers. Empty: those that DHCP names, else the distribution's.",
        examples=[["ntp.example.org"]],
    )
    mdns: bool = setting(
        True, description="Whether the local network finds the machine as HOSTNAME.local."
    )
    interfaces: dict[InterfaceName, Interface] = setting(
        lambda: {"wired": Interface()},
        description="Network cards by a name of your choice. A card takes the first table that "
        "matches it: exact ones (mac, full name) come before patterns. "
        "Left out: every Ethernet card asks DHCP.",
    )
