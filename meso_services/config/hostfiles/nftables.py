"""The packet filter: what comes in is dropped unless a rule below lets it in.

Two files. `nftables.conf` is always loaded. `nftables-ssh.conf` opens SSH and is
loaded after it only if a key is configured, which the activator knows best: a
virtual machine may get its key from outside.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from meso_services.config.accounts import MAY_REACH_NETWORK, UID_OF
from meso_services.config.firewall import Firewall

SSH_PORT = 22
HTTPS = 443

_BASE = """\
# Rendered by meso; the source is the appliance's TOML file.
table inet meso
delete table inet meso
table inet meso {{
    set ssh_rate4 {{
        type ipv4_addr
        flags dynamic, timeout
        timeout 2m
        size 65535
    }}
    set ssh_rate6 {{
        type ipv6_addr
        flags dynamic, timeout
        timeout 2m
        size 65535
    }}
    chain ssh {{
    }}
    chain input {{
        type filter hook input priority filter; policy drop;
        ct state vmap {{ established : accept, related : accept, invalid : drop }}
        iif lo accept
        icmp type {{ destination-unreachable, time-exceeded, parameter-problem }} accept
        icmpv6 type {{ destination-unreachable, packet-too-big, time-exceeded }} accept
        icmpv6 type parameter-problem accept
        icmpv6 type {{ mld-listener-query, mld-listener-report, mld2-listener-report }} accept
        icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} ip6 hoplimit 255 accept
        icmpv6 type {{ nd-router-advert, nd-redirect }} ip6 hoplimit 255 accept
        udp sport 67 udp dport 68 accept
        ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept
{optional}
    }}
    chain forward {{
        type filter hook forward priority filter; policy drop;
    }}
    chain output {{
        type filter hook output priority filter; policy accept;
        meta skuid {{ {confined} }} counter reject with icmpx admin-prohibited
        meta skuid {proxy} jump proxy
    }}
    chain proxy {{
        oif lo accept
        tcp dport {{ {ports} }} accept
        meta l4proto tcp counter reject with tcp reset
        counter reject with icmpx admin-prohibited
    }}
}}
"""

_PING = """\
        icmp type echo-request limit rate 20/second accept
        icmpv6 type echo-request limit rate 20/second accept
"""
_MDNS = """\
        ip daddr 224.0.0.251 udp dport 5353 accept
        ip6 daddr ff02::fb udp dport 5353 accept
"""


def render_nftables(firewall: Firewall, mdns: bool, ports: Sequence[int] = (HTTPS,)) -> str:
    """`nftables.conf`: replaces the table `inet meso` in one transaction.

    `ports` are those that the API proxy may connect to, by TCP alone; names are looked up by
    the system's resolver, which it asks on the loopback.
    """
    optional = (_PING if firewall.ping else "") + (_MDNS if mdns else "")
    confined = [str(uid) for name, uid in UID_OF.items() if name not in MAY_REACH_NETWORK]
    text = _BASE.format(
        optional=optional.rstrip("\n"),
        confined=", ".join(confined),
        proxy=UID_OF["api-proxy"],
        ports=", ".join(map(str, sorted({HTTPS, *ports}))),
    )
    return text.replace("\n\n", "\n")


def render_nftables_ssh(firewall: Firewall) -> str:
    """`nftables-ssh.conf`: adds the rules that open SSH."""
    rate = f"limit rate over {firewall.ssh_per_minute}/minute burst {_burst(firewall)} packets"
    rules = [
        f"add rule inet meso ssh add @ssh_rate4 {{ ip saddr {rate} }} counter drop",
        # A network of one IPv6 host has 2^64 addresses, so the network is counted.
        f"add rule inet meso ssh add @ssh_rate6 {{ ip6 saddr & ffff:ffff:ffff:ffff:: {rate} }}"
        " counter drop",
        *_accepted(firewall),
        f"add rule inet meso input tcp dport {SSH_PORT} ct state new jump ssh",
    ]
    return "".join(f"{rule}\n" for rule in rules)


def _burst(firewall: Firewall) -> int:
    return max(5, firewall.ssh_per_minute // 2)


def _accepted(firewall: Firewall) -> list[str]:
    if not firewall.ssh_from:
        return ["add rule inet meso ssh accept"]
    networks = [ipaddress.ip_network(each) for each in firewall.ssh_from]
    # Overlapping ranges in one set are an error to nft, hence the collapsing.
    v4 = ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv4Network))
    v6 = ipaddress.collapse_addresses(n for n in networks if isinstance(n, ipaddress.IPv6Network))
    sets = (("ip", ", ".join(map(str, v4))), ("ip6", ", ".join(map(str, v6))))
    return [f"add rule inet meso ssh {kind} saddr {{ {s} }} accept" for kind, s in sets if s]
