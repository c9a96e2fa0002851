"""The network files, judged by systemd-networkd itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from meso_services.config.load import loads
from meso_services.config.render import render
from tests.unit.config.test_mistakes import BASE

NETWORKD = "/usr/lib/systemd/systemd-networkd"
STATIC = """\
[network]
dns = ["9.9.9.9", "2620:fe::fe"]
ntp = ["ntp.example.org"]
[network.interfaces.lan]
name = "enp1s0"
dhcp = false
addresses = ["192.168.1.10/24", "2001:db8::10/64"]
gateways = ["192.168.1.1", "2001:db8::1"]
[network.interfaces.by-mac]
mac = "52:54:00:AB:CD:EF"
[network.interfaces.others]
name = "en*"
[network.interfaces.rest]
"""


def files(toml: str) -> dict[str, str]:
    """Name → text of the rendered network files."""
    prefix = "host/network/"
    rendered = render(loads(BASE + toml))
    return {k.removeprefix(prefix): v for k, v in rendered.items() if k.startswith(prefix)}


def complaints(folder: Path) -> list[str]:
    """What networkd says about the files, run in a network and mounts of its own."""
    script = (
        "mount -t tmpfs none /run && mkdir -p /run/systemd/network /run/systemd/netif"
        f' && cp "$0"/*.network /run/systemd/network/ && exec timeout 1 {NETWORKD}'
    )
    env = {**os.environ, "SYSTEMD_LOG_LEVEL": "debug", "SYSTEMD_LOG_TARGET": "console"}
    command = ["/usr/bin/unshare", "-nm", "--propagation", "private", "/bin/sh", "-c", script]
    done = subprocess.run(
        [*command, str(folder)], env=env, capture_output=True, text=True, check=False
    )
    log = done.stdout + done.stderr
    assert "Enumeration completed" in log, log
    return [line for line in log.splitlines() if ".network:" in line]


@pytest.mark.skipif(
    os.geteuid() != 0 or not Path(NETWORKD).exists() or not shutil.which("unshare"),
    reason="needs root and systemd-networkd",
)
@pytest.mark.parametrize("toml", ["", STATIC, "network.mdns = false"])
def test_networkd_understands_every_line(tmp_path: Path, toml: str) -> None:
    """Every file of ours passes, beside a wrong one that shows that it does look."""
    for name, text in files(toml).items():
        (tmp_path / name).write_text(text)
    (tmp_path / "99-wrong.network").write_text("[Match]\nName=x\n[Network]\nDHCP=maybe\n")
    (found,) = complaints(tmp_path)
    assert "99-wrong.network:4: Failed to parse DHCP option" in found


def test_exact_cards_come_before_patterns_and_these_before_all() -> None:
    """networkd takes the first file that matches, in order of names."""
    assert sorted(files(STATIC)) == [
        "50-meso-by-mac.network",
        "50-meso-lan.network",
        "60-meso-others.network",
        "70-meso-rest.network",
    ]


def test_fixed_addresses_mean_these_and_no_others() -> None:
    lines = files(STATIC)["50-meso-lan.network"].splitlines()
    for expected in (
        "Name=enp1s0",
        "DHCP=no",
        "IPv6AcceptRA=no",
        "Address=192.168.1.10/24",
        "Address=2001:db8::10/64",
        "Gateway=2001:db8::1",
        "DNS=9.9.9.9",
        "NTP=ntp.example.org",
    ):
        assert expected in lines


def test_own_servers_replace_those_of_dhcp() -> None:
    text = files(STATIC)["50-meso-by-mac.network"]
    assert text.count("UseDNS=no") == 3
    assert text.count("UseNTP=no") == 2
    assert "UseDNS" not in files("")["70-meso-wired.network"]


def test_a_line_break_cannot_be_smuggled_in() -> None:
    """A file of networkd is lines; no value may add one."""
    from meso_services.config.mistakes import ConfigError  # noqa: PLC0415

    for line in (
        'network.interfaces.lan.name = "en*\\n[Network]"',
        'network.ntp = ["a\\nDHCP=yes"]',
        'network.dns = ["1.1.1.1\\n"]',
        'network.interfaces.lan.addresses = ["10.0.0.1/8\\n"]',
        'network.interfaces.lan.mac = "52:54:00:12:34:56\\n"',
        'firewall.ssh_from = ["10.0.0.0/8\\n"]',
        'hostname = "reef\\n"',
        'timezone = "UTC\\n"',
    ):
        base = "\n".join(x for x in BASE.splitlines() if x.split()[0] != line.split()[0])
        with pytest.raises(ConfigError):
            loads(f"{line}\n{base}")
