"""Which host a rule covers, and which spellings are no host at all."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meso_services.api_proxy.egress.addresses import Dialer, is_own, is_public
from meso_services.api_proxy.egress.hosts import Host, allowed, parse_host, parse_rule
from meso_services.runtime.errors import MesoError


@pytest.mark.parametrize(
    ("rule", "host", "covered"),
    [
        ("pkg.test", "pkg.test:443", True),
        ("PKG.Test.", "pkg.TEST.:443", True),
        ("pkg.test", "pkg.test:80", False),
        ("pkg.test", "evil-pkg.test:443", False),
        ("pkg.test", "a.pkg.test:443", False),
        ("*.pkg.test", "a.pkg.test:443", True),
        ("*.pkg.test", "a.b.pkg.test:443", True),
        ("*.pkg.test", "pkg.test:443", False),
        ("*.pkg.test", "xpkg.test:443", False),
        ("*", "anything.example:443", True),
        ("*", "anything.example:22", False),
        ("*:22", "anything.example:22", True),
        ("192.0.2.1:8080", "192.0.2.1:8080", True),
        ("[2001:db8::1]", "[2001:DB8:0::1]:443", True),
    ],
)
def test_a_rule_covers_what_it_names(rule: str, host: str, covered: bool) -> None:
    assert allowed([parse_rule(rule)], parse_host(host)) is covered


@pytest.mark.parametrize(
    "text",
    [
        *("", ":443", "a b:443", "a:0", "a:65536", "a:1x", "a:", "a..b:1", "-a:1", "*.x:443"),
        *("[::1", "[::1]443", "::1:443", "[127.0.0.1]:1", "[fe80::1%eth0]:1", "ä.de:443"),
        *("0x7f.1:80", "2130706433:80", "127.1:80", "0177.0.0.1:80", "a" * 254 + ":1"),
    ],
)
def test_other_spellings_are_refused(text: str) -> None:
    """Among them the ways to write an address that only the C library understands."""
    with pytest.raises(ValueError):
        parse_host(text)


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *("0.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
        *("::", "::1", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "fec0::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::10.0.0.1"),
        *("64:ff9b:1::1", "2002:7f00:1::", "2001:0:1::", "5f00::1"),
    ],
)
def test_these_addresses_are_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "text", ["9.9.9.9", "2620:fe::fe", "::ffff:9.9.9.9", "64:ff9b::9.9.9.9", "93.184.215.14"]
)
def test_these_addresses_are_public(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))


@given(st.ip_addresses())
def test_a_public_address_is_never_one_of_a_private_network(address: object) -> None:
    """Whatever form: what the standard library calls private is never let through."""
    assert isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address)
    if is_public(address):
        inner = getattr(address, "ipv4_mapped", None) or address
        assert not inner.is_loopback
        assert not inner.is_link_local
        assert inner.is_global or str(address).startswith("64:ff9b::")


def test_the_machines_own_addresses_are_known() -> None:
    """A public address that is this machine's leads to its own doors, past the firewall."""
    assert is_own(ipaddress.ip_address("127.0.0.1"))
    assert not is_own(ipaddress.ip_address("192.0.2.77"))


class Rebinding:
    """A name whose first answer is harmless and whose later ones are not."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, _host: Host) -> Sequence[ipaddress.IPv4Address]:
        self.asked += 1
        texts = self.answers.pop(0) if self.answers else ["127.0.0.1"]
        return [ipaddress.IPv4Address(text) for text in texts]


async def addresses(dialer: Dialer) -> list[str]:
    return [str(found) for found in await dialer.addresses(Host("name.example", 443))]


def test_a_name_is_looked_up_once_and_the_checked_address_is_used() -> None:
    resolve = Rebinding(["9.9.9.9"])
    assert asyncio.run(addresses(Dialer(resolve=resolve))) == ["9.9.9.9"]
    assert resolve.asked == 1
    with pytest.raises(MesoError) as refused:
        asyncio.run(addresses(Dialer(resolve=resolve)))
    assert refused.value.code == "egress.address_private"


def test_private_addresses_among_public_ones_are_left_out() -> None:
    resolve = Rebinding(["10.0.0.1", "9.9.9.9", "127.0.0.1"])
    assert asyncio.run(addresses(Dialer(resolve=resolve))) == ["9.9.9.9"]


def test_a_network_that_the_operator_names_may_be_reached() -> None:
    near = (ipaddress.ip_network("10.0.0.0/24"),)
    assert asyncio.run(addresses(Dialer(near, resolve=Rebinding(["10.0.0.1"])))) == ["10.0.0.1"]
    with pytest.raises(MesoError):
        asyncio.run(addresses(Dialer(near, resolve=Rebinding(["10.0.1.1"]))))
