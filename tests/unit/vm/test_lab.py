"""Machines for tests, with an image that holds nothing: kept apart, asleep, and gone."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from meso_host.errors import HostError
from meso_host.vm.lab import Lab, LabMachine
from meso_host.vm.machine import Machine

pytestmark = pytest.mark.skipif(
    shutil.which("qemu-system-x86_64") is None, reason="QEMU is not installed"
)
SMALL = Machine(memory=256, cpus=1)


@contextmanager
def quiet(_what: str) -> Iterator[Callable[[str], None]]:
    yield lambda _: None


@pytest.fixture
def image(tmp_path: Path) -> Path:
    folder = tmp_path / "image"
    folder.mkdir()
    facts = {"schema": 1, "arch": "amd64", "version": "0"}
    (folder / "image.json").write_text(json.dumps(facts), encoding="utf-8")
    (folder / "disk.img").write_bytes(b"\0" * (1 << 20))
    return folder


@pytest.fixture
def lab(tmp_path: Path, image: Path) -> Iterator[Lab]:
    # Longer than the kernel's 107 bytes for a socket's path, as a deep home directory is.
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    made = Lab(deep, lambda _: image, quiet)
    yield made
    made.close()


def state(machine: LabMachine) -> str:
    with machine.guest.qmp() as qmp:
        return str(qmp.execute("query-status")["status"])


def test_a_machine_sleeps_while_another_one_is_made(lab: Lab) -> None:
    one = lab.fresh("box", SMALL)
    one.start(wait=False)
    assert state(one) == "running"
    one.sleep(True)
    assert state(one) == "paused"
    one.sleep(False)
    assert state(one) == "running"
    lab.retire(one)
    assert one.files.running() is None
    assert not one.files.directory.exists()


def test_a_cut_loses_what_the_guest_has_not_flushed_and_the_machine_starts_again(lab: Lab) -> None:
    machine = lab.fresh("box", SMALL, power_cut=True)
    machine.start(wait=False)
    end = time.monotonic() + 110
    while "UEFI" not in machine.console() and "BdsDxe" not in machine.console():
        assert time.monotonic() < end, "the firmware never looked at the disk"
        time.sleep(0.2)
    loss = machine.kill()
    assert loss is not None
    assert (loss.unflushed, loss.kept) == (0, 0), "nothing wrote"
    machine.start(wait=False)
    assert state(machine) == "running"
    lab.retire(machine)


def test_two_test_runs_in_one_tree_are_refused(lab: Lab, image: Path) -> None:
    with pytest.raises(HostError, match="another test run"):
        Lab(lab.directory, lambda _: image, quiet)
