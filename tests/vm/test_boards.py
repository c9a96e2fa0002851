"""The same image boots on what real computers have, and on both architectures.

A boot takes a minute or more, so each of these machines has something done to it afterwards
that needs one of its own.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from meso_host.vm.lab import LabMachine
from meso_services.boot.machine import ON_DEMAND, SERVICES
from meso_services.config.load import load
from meso_services.contract.identity_hash import read_genome_directory
from meso_services.mind_runner.settings import Settings as MindRunner
from tests.vm import changed_blocks
from tests.vm.test_python_stack import clusters_here, clusters_on

TOP = Path(__file__).resolve().parents[2]


def assert_healthy(machine: LabMachine) -> None:
    status = json.loads(machine.run("meso status --json", user="operator", check=True).stdout)
    states = {service["name"]: service["state"] for service in status["services"]}
    assert states.keys() == {*SERVICES, *ON_DEMAND}
    assert {states[name] for name in SERVICES} <= {"ok", "degraded"}, states
    failed = machine.run("systemctl list-units --state=failed --no-legend --plain").stdout
    assert failed.strip() == ""


def where_state_lies(machine: LabMachine) -> str:
    return machine.run("findmnt --noheadings --output SOURCE /state", check=True).stdout.strip()


@pytest.mark.machine(disk_bus="nvme", nic="e1000e")
def test_it_boots_from_nvme_and_works_with_no_broken_block(fresh_machine: LabMachine) -> None:
    """With an Intel card and no virtio. A block that was changed on the disk restarts it:
    better than to work with data that nobody signed for. A state beyond repair is not
    formatted behind the operator's back: the machine is reachable, and says so."""
    assert_healthy(fresh_machine)
    assert "/dev/nvme0n1p" in where_state_lies(fresh_machine)
    assert_no_virtio(fresh_machine)
    changed_blocks.change(fresh_machine)
    fresh_machine.off_at_restart()
    fresh_machine.run(changed_blocks.READ)
    fresh_machine.wait_until_off(120)
    assert "is corrupted" in fresh_machine.console()
    start = changed_blocks.state(fresh_machine)
    assert changed_blocks.read_result(fresh_machine.disk, start) == ""
    changed_blocks.blank(fresh_machine.disk, start)
    # Its host key was part of the state: the machine has a new one, which a client would refuse.
    fresh_machine.files.known_hosts.unlink()
    fresh_machine.start()
    status = json.loads(fresh_machine.run("meso status --json").stdout)
    assert not status["healthy"]
    assert "Nothing is kept" in status["warnings"][0]
    fresh_machine.power_off()
    with fresh_machine.disk.open("rb") as disk:
        disk.seek(start)
        assert disk.read(1 << 20) == bytes(1 << 20)


@pytest.mark.machine(disk_bus="ahci", nic="e1000e")
def test_it_boots_from_a_sata_disk(fresh_machine: LabMachine) -> None:
    assert_healthy(fresh_machine)
    assert "/dev/sda" in where_state_lies(fresh_machine)
    assert "ahci" in fresh_machine.run("readlink -f /sys/block/sda/device/../../..; lsmod").stdout
    assert_no_virtio(fresh_machine)


@pytest.mark.machine(disk_bus="usb", nic="e1000e", plugged=False)
def test_it_boots_from_a_usb_disk_with_the_cable_out(fresh_machine: LabMachine) -> None:
    """The cable went in only after the console had said that all six are healthy."""
    said = fresh_machine.console()
    assert "all six services are healthy" in said
    blessed = monotonic(fresh_machine, "boot-complete.target")
    online = first_carrier(fresh_machine)
    assert blessed < online, "healthy and blessed before there was a network"
    assert_healthy(fresh_machine)
    assert "/usb" in fresh_machine.run("readlink -f /sys/block/sda", check=True).stdout
    assert_no_virtio(fresh_machine)


def monotonic(machine: LabMachine, unit: str) -> float:
    """When the unit became active, in seconds since the kernel started."""
    show = f"systemctl show -p ActiveEnterTimestampMonotonic --value {unit}"
    return int(machine.run(show, check=True).stdout) / 1e6


def first_carrier(machine: LabMachine) -> float:
    """When networkd first saw a cable, in seconds since the kernel started."""
    journal = "journalctl -b -u systemd-networkd -o json --output-fields=MESSAGE --no-pager"
    lines = [json.loads(line) for line in machine.run(journal, check=True).stdout.splitlines()]
    # The loopback has its carrier from the start.
    cable = [x for x in lines if re.fullmatch(r"en\w+: Gained carrier", x["MESSAGE"])]
    times = [int(x["__MONOTONIC_TIMESTAMP"]) for x in cable]
    assert times, "the cable was never plugged in"
    return min(times) / 1e6


def assert_no_virtio(machine: LabMachine) -> None:
    assert machine.run("ls /sys/bus/virtio/devices 2>/dev/null").stdout.strip() == ""
    assert "e1000e" in machine.run("readlink -f /sys/class/net/*/device/driver").stdout


@pytest.mark.machine(name="jetson-orin", disk_bus="nvme")
def test_aarch64_boots_to_the_same_state(fresh_machine: LabMachine) -> None:
    """QEMU's own aarch64 machine with UEFI: what a Jetson's firmware offers, too."""
    assert fresh_machine.run("uname -m", check=True).stdout.strip() == "aarch64"
    assert_healthy(fresh_machine)
    # Its file moves a limit away from the unit's own, so the activator has written a drop-in.
    moved = load(TOP / "configs/jetson-orin.toml").services.mind_runner.memory_max
    assert moved != MindRunner().memory_max
    limit = fresh_machine.run("systemctl show --value -p MemoryMax meso-mind-runner", check=True)
    assert int(limit.stdout) == moved
    settled = fresh_machine.run("systemctl is-system-running --wait", timeout=240).stdout
    assert settled.strip() == "running"
    # The identity hash is of bytes and paths: the processor has no say in it.
    shown = json.loads(fresh_machine.run("meso identity show --json", check=True).stdout)
    assert shown["hash"] == shown["declared"] == read_genome_directory(TOP / "genome").hash
    # hdbscan has no wheel for aarch64: ours is cross-built, and must find the same clusters.
    assert clusters_on(fresh_machine) == clusters_here()
