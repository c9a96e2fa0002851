"""Which acceleration is chosen: what the test guests prove, and what a start that failed says."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from meso_host.errors import HostError
from meso_host.setup import tree
from meso_host.vm import accel, firmware, probe, pulse
from meso_host.vm.files import Files
from meso_host.vm.firmware import Firmware
from meso_host.vm.guest import Guest
from meso_host.vm.machine import Arch, Machine, RawDisk

HAS = {arch: shutil.which(f"qemu-system-{arch}") is not None for arch in ("x86_64", "aarch64")}
pytestmark = pytest.mark.skipif(not all(HAS.values()), reason="QEMU is not installed")
HERE: Arch = "aarch64" if tree.processor() == "aarch64" else "x86_64"


@pytest.fixture
def files(state: Path) -> Iterator[Files]:
    directory = state / "vm" / "box"
    directory.mkdir(parents=True)
    (directory / "disk.raw").write_bytes(b"\0" * (1 << 20))
    made = Files(directory)
    yield made
    Guest(made, Machine()).kill()


@pytest.fixture
def silent(tmp_path: Path) -> Firmware:
    """Firmware of zeros: the processor runs into nothing and never says a word."""
    found = firmware.find("x86_64")
    code = tmp_path / "silent.fd"
    code.write_bytes(b"\0" * found.code.stat().st_size)
    return Firmware(code, found.variables)


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_both_test_guests_run_in_software(arch: Arch) -> None:
    """Software emulation always works, so the probe's own guests must pass there."""
    assert probe.tiny_runs(arch, "tcg", seconds=60)
    assert probe.firmware_speaks(arch, "tcg", firmware.find(arch), seconds=120)


def test_an_accelerator_that_is_not_there_is_not_proven() -> None:
    began = time.monotonic()
    assert not probe.tiny_runs("x86_64", "hvf")
    assert not probe.firmware_speaks("x86_64", "hvf", firmware.find("x86_64"))
    assert time.monotonic() - began < probe.TINY_SECONDS, "no wait for a QEMU that has ended"


def test_firmware_that_says_nothing_is_not_believed(silent: Firmware) -> None:
    assert not probe.firmware_speaks("x86_64", "tcg", silent, seconds=3)


def test_an_answer_to_an_older_question_is_not_believed(files: Files, answers: Path) -> None:
    """A computer whose tiny guest passed kept `kvm`, and its firmware never spoke."""
    true = accel.choose(HERE)
    wrong = {accel.HARDWARE: accel.SOFTWARE, accel.SOFTWARE: accel.HARDWARE}[true]
    keys = json.loads(answers.read_text())["answers"] if answers.exists() else {}
    accel.cache().write_text(json.dumps(dict.fromkeys(keys, wrong)), encoding="utf-8")
    assert accel.choose(HERE) == true


def test_what_failed_once_is_not_chosen_again(files: Files) -> None:
    accel.distrust(HERE)
    assert accel.choose(HERE) == accel.SOFTWARE


def started(files: Files, monkeypatch: pytest.MonkeyPatch, how: str) -> Guest:
    monkeypatch.setattr(accel, "choose", lambda _arch: how)
    guest = Guest(files, Machine(memory=256, cpus=1))
    guest.start(files.directory, RawDisk(), detach=False)
    return guest


def test_a_held_machine_ends_the_wait_at_once(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = started(files, monkeypatch, accel.SOFTWARE)
    with guest.qmp() as qmp:
        qmp.execute("stop")
    began = time.monotonic()
    with pytest.raises(HostError, match="paused") as caught:
        guest.wait_for_login(60)
    assert caught.value.code == "vm.held"
    assert time.monotonic() - began < 10


def test_a_qemu_that_ended_ends_the_wait_at_once(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = started(files, monkeypatch, accel.SOFTWARE)
    with guest.qmp() as qmp:
        qmp.execute("quit")
    began = time.monotonic()
    with pytest.raises(HostError, match="ended by itself") as caught:
        guest.wait_for_login(60)
    assert caught.value.code == "vm.died"
    assert time.monotonic() - began < 10


def test_a_silent_start_under_acceleration_is_tried_again_in_software(
    files: Files, monkeypatch: pytest.MonkeyPatch, silent: Firmware
) -> None:
    """The accelerator here is QEMU's other emulation, which the answer calls hardware; its
    firmware says nothing. The second start is the true firmware, in software, and speaks."""
    said: list[str] = []
    monkeypatch.setattr(pulse, "SILENT_SECONDS", 2.0)
    monkeypatch.setattr(accel, "is_hardware", lambda how: how == "tcg,thread=single")
    accel.cache().unlink(missing_ok=True)
    guest = Guest(files, Machine(memory=256, cpus=1))
    true = firmware.find("x86_64")

    def attempt() -> str:
        remembered = json.loads(accel.cache().read_text()) if accel.cache().exists() else None
        how = accel.SOFTWARE if remembered else "tcg,thread=single"
        monkeypatch.setattr(accel, "choose", lambda _arch: how)
        monkeypatch.setattr(firmware, "find", lambda _arch: true if remembered else silent)
        guest.start(files.directory, RawDisk(), detach=False)
        if not remembered:
            guest.wait_for_login(60)
        end = time.monotonic() + 110
        while not guest.console().last() and time.monotonic() < end:
            time.sleep(0.1)
        return how

    assert pulse.with_fallback(files, attempt, guest.kill, said.append) == accel.SOFTWARE
    assert len(said) == 1
    assert "silent for 2 s" in said[0]
    assert guest.console().last(), "the true firmware spoke"


def test_a_machine_that_this_computer_cannot_accelerate_starts_in_software(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under a hypervisor that emulates too little, QEMU holds the machine with an
    `internal-error`; the wait must tell within seconds."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK) or accel.choose(HERE) == accel.HARDWARE:
        pytest.skip("no /dev/kvm, or it works")
    with pytest.raises(HostError) as caught:
        started(files, monkeypatch, accel.HARDWARE).wait_for_login(60)
    assert caught.value.code == pulse.ACCELERATION
