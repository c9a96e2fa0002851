"""Which host and port: rules as the operator and the grants write them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

HTTPS = 443
MAX_NAME = 253
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


@dataclass(frozen=True, slots=True)
class Host:
    """A host to reach: a name in lower case without a final dot, or an address as text."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True)
class Rule:
    """`name`, `*.name` (every name below it, not itself) or `*`, at one port."""

    name: str
    below: bool
    port: int

    def covers(self, host: Host) -> bool:
        """True if `host` may be reached by this rule."""
        if host.port != self.port:
            return False
        if not self.below:
            return host.name == self.name
        return not self.name or host.name.endswith(f".{self.name}")


def parse_rule(text: str) -> Rule:
    """Read `host`, `host:port`, `*.host`, `*`; without a port it is 443. Raises ValueError."""
    below = text == "*" or text.startswith(("*.", "*:"))
    if not below:
        host = parse_host(text, HTTPS)
        return Rule(host.name, False, host.port)
    rest = text[1:].removeprefix(".")
    if not rest or rest.startswith(":"):
        return Rule("", True, _port(rest[1:]) if rest else HTTPS)
    host = parse_host(rest, HTTPS)
    if _is_address(host.name):
        raise ValueError("an address has nothing below it")
    return Rule(host.name, True, host.port)


def parse_host(text: str, default_port: int | None = None) -> Host:
    """Read `name:port` or `[IPv6]:port`. Raises ValueError with what is wrong."""
    if text.startswith("["):
        name, found, port = text[1:].partition("]")
        if not found or (port and not port.startswith(":")):
            raise ValueError("an IPv6 address stands in brackets: [2001:db8::1]:443")
        return Host(_address(name, 6), _port_or(port[1:] if port else None, default_port))
    name, colon, port = text.partition(":")
    return Host(_name(name), _port_or(port if colon else None, default_port))


def allowed(rules: Iterable[Rule], host: Host) -> bool:
    """True if any rule covers the host."""
    return any(rule.covers(host) for rule in rules)


def _name(text: str) -> str:
    name = text.lower().removesuffix(".")
    if len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise ValueError("a host's name is of letters, digits, hyphens and dots")
    # 1.2.3.4 is an address; 0x7f.1 and 2130706433 are other ways to write one.
    if re.fullmatch(r"(0x[0-9a-f]*|[0-9]+)", name.rpartition(".")[2]):
        return _address(name, 4)
    return name


def _address(text: str, version: int) -> str:
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("an address that cannot be read") from None
    if parsed.version != version or "%" in text:
        raise ValueError("an address of another kind than its form says")
    return str(parsed)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _port_or(text: str | None, default: int | None) -> int:
    if text is None:
        if default is None:
            raise ValueError("the port is missing")
        return default
    return _port(text)


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise ValueError("a port is a number from 1 to 65535")
    return int(text)
