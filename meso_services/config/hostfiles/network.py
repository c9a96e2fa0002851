"""systemd-networkd's files, one per `[network.interfaces.NAME]`."""

from __future__ import annotations

from meso_services.config.network import Interface, Network

Section = tuple[str, list[tuple[str, str]]]


def render_network(network: Network) -> dict[str, str]:
    """File name → text. Exact matches sort before patterns, these before "every card"."""
    return {
        f"{_rank(interface)}-meso-{name}.network": _render(network, interface)
        for name, interface in network.interfaces.items()
    }


def _rank(interface: Interface) -> int:
    if not interface.name and not interface.mac:
        return 70
    return 60 if not interface.mac and set(interface.name) & set("*?") else 50


def _render(network: Network, interface: Interface) -> str:
    sections = [
        ("Match", _match(interface)),
        ("Network", _network(network, interface)),
        *(_learned(network) if interface.dhcp else []),
    ]
    return "\n".join(_section(title, lines) for title, lines in sections)


def _section(title: str, lines: list[tuple[str, str]]) -> str:
    return f"[{title}]\n" + "".join(f"{key}={value}\n" for key, value in lines)


def _match(interface: Interface) -> list[tuple[str, str]]:
    if not interface.name and not interface.mac:
        # Physical cards only: bridges, tunnels and the like have a kind.
        return [("Type", "ether"), ("Kind", "!*")]
    named = [("Name", interface.name)] if interface.name else []
    return named + ([("MACAddress", interface.mac.lower())] if interface.mac else [])


def _network(network: Network, interface: Interface) -> list[tuple[str, str]]:
    lines = [("DHCP", "yes" if interface.dhcp else "no")]
    if not interface.dhcp:
        # Fixed addresses mean these and no others.
        lines.append(("IPv6AcceptRA", "no"))
    lines += [("Address", address) for address in interface.addresses]
    lines += [("Gateway", gateway) for gateway in interface.gateways]
    lines += [("DNS", server) for server in network.dns]
    lines += [("NTP", server) for server in network.ntp]
    lines.append(("MulticastDNS", "yes" if network.mdns else "no"))
    lines.append(("LLMNR", "no"))
    return lines


def _learned(network: Network) -> list[Section]:
    """What is taken from DHCP and router advertisements."""
    dns = [("UseDNS", "no")] if network.dns else []
    ntp = [("UseNTP", "no")] if network.ntp else []
    v4: Section = ("DHCPv4", [("UseHostname", "no"), *dns, *ntp])
    v6: Section = ("DHCPv6", [("UseHostname", "no"), *dns, *ntp])
    return [v4, v6, *([("IPv6AcceptRA", dns)] if dns else [])]
