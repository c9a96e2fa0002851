"""The appliance's file has the effect on the booted machine that it promises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from meso_host.vm.lab import LabMachine
from meso_services.config.accounts import UID_OF
from meso_services.config.appliance import Appliance
from meso_services.config.load import load

TOP = Path(__file__).resolve().parents[2]
CURRENT = "/run/meso/current"
# Connects as the user whose id is given, to the host's side of the guest's network.
CALL_OUT = (
    "setpriv --reuid={uid} --clear-groups python3 -I -c "
    "'import socket; socket.create_connection((\"10.0.2.2\", 9), 5)'"
)


@pytest.fixture
def appliance() -> Appliance:
    """What the shared machine's file says."""
    return load(TOP / "configs/x86-minipc.toml")


def account(machine: LabMachine) -> dict[str, Any]:
    """The activator's account of what it did."""
    found: dict[str, Any] = json.loads(machine.run("cat /run/meso/activation.json").stdout)
    return found


def test_generation_0_is_current_and_whole(machine: LabMachine) -> None:
    found = account(machine)
    failed = [step for step in found["steps"] if not step["ok"]]
    assert (found["state"], failed) == ("ok", [])
    assert found["why"] == "generation 0 of the verified root"
    assert machine.run(f"readlink {CURRENT}").stdout == "/usr/share/meso/factory\n"


def test_the_machine_has_its_name(machine: LabMachine, appliance: Appliance) -> None:
    assert machine.run("hostname").stdout.strip() == appliance.hostname
    assert machine.run("cat /etc/hostname").stdout.strip() == appliance.hostname
    assert machine.run("hostnamectl hostname").stdout.strip() == appliance.hostname


def test_services_read_their_settings_from_the_generation(
    machine: LabMachine, appliance: Appliance
) -> None:
    for name, settings in appliance.services.by_id().items():
        text = machine.run(f"cat {CURRENT}/config/{name}.json").stdout
        assert type(settings).model_validate_json(text) == settings


def test_a_unit_s_memory_limit_is_the_configured_one(
    machine: LabMachine, appliance: Appliance
) -> None:
    for name, settings in appliance.services.by_id().items():
        shown = machine.run(f"systemctl show --value -p MemoryMax meso-{name}").stdout
        assert int(shown) == settings.memory_max, name


def test_the_network_card_is_set_up_by_the_generation(machine: LabMachine) -> None:
    shown = machine.run("networkctl --json=short status --all").stdout
    cards = [each for each in json.loads(shown)["Interfaces"] if each["Type"] == "ether"]
    assert cards
    for card in cards:
        assert card["NetworkFile"] == "/run/systemd/network/70-meso-wired.network"
        assert card["AdministrativeState"] == "configured"


def test_the_name_is_offered_to_the_local_network(machine: LabMachine) -> None:
    assert "yes" in machine.run("resolvectl mdns | grep -v Global").stdout


def test_the_time_zone_is_the_configured_one(machine: LabMachine, appliance: Appliance) -> None:
    zone = machine.run("readlink -f /etc/localtime; date +%Z").stdout.split()
    assert zone[0].endswith(f"/{appliance.timezone}") or appliance.timezone == "UTC"
    assert zone[1] == "UTC"


def test_keys_of_a_virtual_machine_come_from_its_host(machine: LabMachine) -> None:
    """The image holds none, so these two came as credentials, and the account says so."""
    (step,) = [each for each in account(machine)["steps"] if each["name"] == "ssh keys"]
    for user in ("operator", "root"):
        assert f"took the credential meso.ssh.{user} of this virtual machine" in step["detail"]
        installed = machine.run(f"cat /run/meso/ssh/authorized_keys/{user}").stdout
        assert installed.startswith("ssh-ed25519 ")
        assert machine.run(f"cat {CURRENT}/host/ssh/authorized_keys/{user}").stdout == ""


def test_the_firewall_is_the_generation_s(machine: LabMachine) -> None:
    """The verified root's own rules, which let no SSH in, have been replaced."""
    rules = machine.run("nft list table inet meso").stdout
    assert "tcp dport 22 ct state new jump ssh" in rules
    assert "udp dport 5353 accept" in rules


@pytest.mark.parametrize("name", sorted(UID_OF))
def test_of_the_services_only_the_proxy_s_user_may_call_out(machine: LabMachine, name: str) -> None:
    """Nothing listens there, so who may go out is refused by the host, not by the filter."""
    said = machine.run(CALL_OUT.format(uid=UID_OF[name])).stderr
    expected = "ConnectionRefusedError" if name == "api-proxy" else "No route to host"
    assert expected in said


def test_activating_again_changes_nothing(machine: LabMachine) -> None:
    # Counters and the addresses that the rate limit remembers move by themselves.
    rules = "nft --stateless list table inet meso | grep --invert-match 'elements = '"
    before = machine.run(rules, check=True).stdout
    machine.run("systemctl restart meso-activate.service", check=True)
    found = account(machine)
    assert found["state"] == "ok"
    assert not [step["name"] for step in found["steps"] if step["changed"]]
    assert machine.run(rules, check=True).stdout == before


@pytest.mark.destructive
@pytest.mark.machine(name="vps")
def test_another_file_makes_another_machine(fresh_machine: LabMachine) -> None:
    """The VPS: its own name, not offered to the network, SSH held to its own rate."""
    assert fresh_machine.run("hostname").stdout == "meso-vps\n"
    assert account(fresh_machine)["state"] == "ok"
    rules = fresh_machine.run("nft list table inet meso").stdout
    assert "5353" not in rules
    assert "limit rate over 10/minute" in rules
    assert "yes" not in fresh_machine.run("resolvectl mdns | grep -v Global").stdout
