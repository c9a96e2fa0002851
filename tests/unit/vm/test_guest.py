"""A guest in QEMU, with an empty disk: started, seen, reached by its controls, and gone."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from meso_host.errors import HostError
from meso_host.vm import keys, login
from meso_host.vm.files import Files
from meso_host.vm.guest import Guest
from meso_host.vm.machine import DISKS, NICS, Arch, Machine, RawDisk
from meso_services.runtime import process

HAS = {arch: shutil.which(f"qemu-system-{arch}") is not None for arch in ("x86_64", "aarch64")}
pytestmark = pytest.mark.skipif(not all(HAS.values()), reason="QEMU is not installed")

PARTS = [(a, d, n) for a in ("x86_64", "aarch64") for d in DISKS for n in NICS if n != "none"]
STORAGE_OR_NETWORK = (0x01, 0x02, 0x0C)  # PCI classes: storage, network, serial bus


@pytest.fixture
def files(state: Path) -> Iterator[Files]:
    directory = state / "vm" / "box"
    directory.mkdir(parents=True)
    made = Files(directory)
    yield made
    Guest(made, Machine()).kill()


def start(files: Files, machine: Machine) -> Guest:
    (files.directory / "disk.raw").write_bytes(b"\0" * (1 << 20))
    guest = Guest(files, machine)
    guest.start(files.directory, RawDisk(), detach=False)
    return guest


@pytest.mark.parametrize(("arch", "bus", "nic"), PARTS)
def test_a_machine_has_the_parts_that_it_was_asked_for(
    files: Files, arch: Arch, bus: str, nic: str
) -> None:
    machine = Machine(arch=arch, disk_bus=bus, nic=nic, memory=512, cpus=1)  # type: ignore[arg-type]
    guest = start(files, machine)
    with guest.qmp() as qmp:
        blocks = qmp.execute("query-block")
        devices = [d for b in qmp.execute("query-pci") for d in b["devices"]]
    assert any(b.get("inserted", {}).get("node-name") == "disk" for b in blocks)
    virtio = [d for d in devices if d["id"]["vendor"] == 0x1AF4]
    assert bool(virtio) == ("virtio" in (bus, nic)), "no virtio device where none was asked for"
    classes = {d["class_info"]["class"] >> 8 for d in devices}
    assert classes & set(STORAGE_OR_NETWORK)


def test_the_firmware_of_a_running_machine_speaks_on_its_console(files: Files) -> None:
    guest = start(files, Machine(memory=512))
    end = time.monotonic() + 110
    while "UEFI" not in guest.last_words() and "BdsDxe" not in guest.last_words():
        assert time.monotonic() < end, guest.last_words()
        time.sleep(0.2)


def test_another_process_finds_the_machine_and_how_to_log_in(files: Files) -> None:
    guest = start(files, Machine(memory=256, cpus=1))
    assert Files(files.directory).running() is not None
    said = process.run([*login.command("box"), "-G"]).stdout.splitlines()
    assert {"hostname 127.0.0.1", "user operator", f"port {guest.port}"} <= set(said)
    guest.kill()
    assert files.running() is None
    with pytest.raises(HostError, match="not running"):
        login.command("box")


def test_a_process_id_that_somebody_else_has_now_is_not_our_machine(files: Files) -> None:
    guest = start(files, Machine(memory=256, cpus=1))
    record = files.record()
    assert record is not None
    guest.kill()
    files.save(type(record)(record.arch, record.image, record.port, pid=1))
    assert files.running() is None


def test_qemu_that_cannot_start_says_why(files: Files) -> None:
    guest = Guest(files, Machine(memory=256))
    with pytest.raises(HostError, match=r"disk\.raw"):
        guest.start(files.directory, RawDisk(), detach=False)


def test_the_cable_can_be_pulled_and_plugged_in(files: Files) -> None:
    guest = start(files, Machine(nic="e1000e", memory=256, cpus=1))
    with guest.qmp() as qmp:
        qmp.plug(False)
        qmp.plug(True)
        with pytest.raises(HostError, match="refused"):
            qmp.execute("set_link", name="no-such-card", up=True)


def test_nobody_answering_ssh_ends_with_the_consoles_last_lines(files: Files) -> None:
    guest = start(files, Machine(memory=256, cpus=1))
    with pytest.raises(HostError) as caught:
        guest.wait_for_login(1.0)
    assert caught.value.code == "vm.timeout"
    assert str(files.console) in caught.value.remedy


def test_the_key_of_a_machine_is_made_once_and_only_its_owner_reads_it(files: Files) -> None:
    first = keys.make(files)
    assert first.startswith("ssh-ed25519 ")
    assert keys.make(files) == first
    assert files.key.stat().st_mode & 0o077 == 0


def test_a_name_that_is_a_path_is_refused() -> None:
    for name in ("../box", "", ".hidden"):
        with pytest.raises(HostError, match="is not a name"):
            login.directory(name)
