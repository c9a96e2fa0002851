"""The packet filter, loaded into the kernel and knocked at from another network."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from meso_services.config.load import loads
from meso_services.config.render import render
from tests.unit.config.test_mistakes import BASE

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(shutil.which(each) for each in ("nft", "ip", "setpriv")),
    reason="needs root, nft and ip",
)
LISTEN = """
import socket, threading
def serve(kind, port):
    s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(("::", port)); s.listen(64)
    while True: s.accept()[0].close()
for port in (22, 80): threading.Thread(target=serve, args=(0, port)).start()
print("ready", flush=True)
"""
ASK_A_NAME = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, 11, 1)
s.connect(("10.9.0.2", 53))
try:
    s.send(b"x"); s.settimeout(2); s.recv(1)
except OSError as problem: print(problem)
"""
PROXY_80 = """
[[services.api_proxy.upstreams]]
name = "near"
kind = "openai"
url = "http://10.9.0.2"
"""
PING = """
import os, socket, struct, sys
v6 = ":" in sys.argv[1]
kinds = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if v6 else (socket.AF_INET, socket.IPPROTO_ICMP)
s = socket.socket(kinds[0], socket.SOCK_RAW, kinds[1])
s.settimeout(0.5)
# An id of its own: packets of a known conversation would pass.
kind, own = (128 if v6 else 8) << 8, os.getpid() % 30000
s.sendto(struct.pack(">4H", kind, 65535 - kind - own - 1, own, 1), (sys.argv[1], 0))
reply = (129,) if v6 else (0,)
try:
    while True:
        packet = s.recvfrom(2048)[0]
        if packet[0 if v6 else 20] in reply: break
except TimeoutError: print("silence")
else: print("answered")
"""
CONNECT = """
import socket, sys
for _ in range(int(*sys.argv[3:] or "1")):
    try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 1.5)
    except TimeoutError: print("dropped")
    except OSError as error: print(error.errno)
    else: print("open")
"""


@dataclass
class Networks:
    """Two network namespaces: the appliance (.1) and a neighbour (.2), joined by a cable."""

    appliance: str
    neighbour: str

    def inside(self, where: str, *command: str, given: str | None = None) -> str:
        full = ["ip", "netns", "exec", where, *command]
        done = subprocess.run(full, input=given, capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).strip()

    def load(self, toml: str, *, ssh: bool) -> None:
        """Load the rendered rules as the activator joins them."""
        files = render(loads(BASE + toml))
        rules = files["host/nftables.conf"] + (files["host/nftables-ssh.conf"] if ssh else "")
        assert self.inside(self.appliance, "nft", "-f", "-", given=rules) == ""

    def knock(self, port: int, address: str = "10.9.0.1") -> str:
        return self.inside(self.neighbour, "python3", "-c", CONNECT, address, str(port))

    def hammer(self, port: int, times: int) -> list[str]:
        """Knock that often, one knock right after the other."""
        words = ("python3", "-c", CONNECT, "10.9.0.1", str(port), str(times))
        return self.inside(self.neighbour, *words).split()

    def call_out(self, uid: int, port: int = 80, address: str = "10.9.0.2") -> str:
        """Connect from the appliance to the neighbour (or `address`) as a user."""
        who = ("setpriv", f"--reuid={uid}", "--clear-groups", "/usr/bin/python3")
        return self.inside(self.appliance, *who, "-c", CONNECT, address, str(port))


@pytest.fixture(scope="module")
def networks() -> Iterator[Networks]:
    pair = Networks(f"meso-a{os.getpid()}", f"meso-n{os.getpid()}")
    for name in (pair.appliance, pair.neighbour):
        subprocess.run(["/usr/sbin/ip", "netns", "add", name], check=True)
    listeners: list[subprocess.Popen[str]] = []
    try:
        cable = ("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
        assert pair.inside(pair.appliance, *cable, "netns", pair.neighbour) == ""
        for name, card, last in ((pair.appliance, "eth0", 1), (pair.neighbour, "eth1", 2)):
            pair.inside(name, "ip", "address", "add", f"10.9.0.{last}/24", "dev", card)
            pair.inside(name, "ip", "address", "add", f"fd09::{last}/64", "dev", card, "nodad")
            for each in ("lo", card):
                pair.inside(name, "ip", "link", "set", each, "up")
            command = ["ip", "netns", "exec", name, "python3", "-c", LISTEN]
            listener = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            listeners.append(listener)
            assert listener.stdout is not None
            assert listener.stdout.readline() == "ready\n"
        yield pair
    finally:
        for listener in listeners:
            listener.kill()
            listener.wait()
        for name in (pair.appliance, pair.neighbour):
            subprocess.run(["/usr/sbin/ip", "netns", "delete", name], check=True)


def test_without_a_key_nothing_comes_in(networks: Networks) -> None:
    networks.load("", ssh=False)
    assert networks.knock(22) == "dropped"
    assert networks.knock(80) == "dropped"
    assert networks.knock(22, "fd09::1") == "dropped"


def test_with_a_key_ssh_comes_in_and_nothing_else(networks: Networks) -> None:
    networks.load("", ssh=True)
    assert networks.knock(22) == "open"
    assert networks.knock(22, "fd09::1") == "open"
    assert networks.knock(80) == "dropped"


def test_ssh_only_from_the_networks_named(networks: Networks) -> None:
    networks.load('firewall.ssh_from = ["192.168.0.0/16", "fd09::/64"]', ssh=True)
    assert networks.knock(22) == "dropped"
    assert networks.knock(22, "fd09::1") == "open"
    networks.load('firewall.ssh_from = ["10.0.0.0/8", "10.9.0.0/24", "10.9.0.2/32"]', ssh=True)
    assert networks.knock(22) == "open"
    assert networks.knock(22, "fd09::1") == "dropped"


def test_a_hammering_address_is_slowed_down(networks: Networks) -> None:
    """The burst passes, what follows at once does not; a reload starts anew."""
    networks.load("firewall.ssh_per_minute = 10", ssh=True)
    # By one program: starting eight takes a busy computer so long that they are let in.
    answers = networks.hammer(22, 8)
    assert answers[:5] == ["open"] * 5
    assert answers[-1] == "dropped"
    assert networks.knock(22, "fd09::1") == "open"
    networks.load("firewall.ssh_per_minute = 10", ssh=True)
    assert networks.knock(22) == "open"


@pytest.mark.parametrize(("setting", "outcome"), [("true", "answered"), ("false", "silence")])
def test_ping_is_answered_as_set(networks: Networks, setting: str, outcome: str) -> None:
    networks.load(f"firewall.ping = {setting}", ssh=False)
    for address in ("10.9.0.1", "fd09::1"):
        assert networks.inside(networks.neighbour, "python3", "-c", PING, address) == outcome


def test_of_the_services_only_the_proxy_reaches_out(networks: Networks) -> None:
    """Refused at once, so that a mistake shows as an error and not as a time-out."""
    networks.load(PROXY_80, ssh=False)
    assert networks.call_out(705) == "open"
    assert networks.call_out(1000) == "open"
    refused = {uid: networks.call_out(uid) for uid in (701, 702, 703, 704, 706)}
    assert set(refused.values()) == {"113"}, refused


def test_the_proxy_reaches_only_the_ports_that_its_settings_name(networks: Networks) -> None:
    """By TCP; a stolen proxy cannot scan the network, and asks no name server by itself."""
    networks.load("", ssh=False)
    assert networks.call_out(705) == "111"
    assert networks.call_out(705, address="fd09::2") == "111"
    assert networks.call_out(705, address="127.0.0.1") == "open"
    networks.load(PROXY_80, ssh=False)
    assert networks.call_out(705, address="fd09::2") == "open"
    assert networks.call_out(705, port=22) == "111"
    who = ("setpriv", "--reuid=705", "--clear-groups", "/usr/bin/python3")
    assert "not permitted" in networks.inside(networks.appliance, *who, "-c", ASK_A_NAME)


def test_the_ports_are_those_of_upstreams_and_of_the_egress_door() -> None:
    rules = render(loads(BASE + PROXY_80 + '[services.api_proxy.egress]\nallow = ["a.org:22"]'))
    assert "tcp dport { 22, 80, 443 } accept" in rules["host/nftables.conf"]


def test_the_machine_talks_to_itself(networks: Networks) -> None:
    networks.load("", ssh=False)
    said = networks.inside(networks.appliance, "python3", "-c", CONNECT, "127.0.0.1", "80")
    assert said == "open"


def test_mdns_is_let_in_as_set() -> None:
    assert "224.0.0.251" in render(loads(BASE))["host/nftables.conf"]
    without = render(loads(BASE + "network.mdns = false"))["host/nftables.conf"]
    assert "5353" not in without
