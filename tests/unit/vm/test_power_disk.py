"""The disk that loses power: what was flushed stays, what was not may go.

QEMU's own NBD client drives it through qemu-io, as a guest's disk does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meso_host.vm.power.disk import SECTOR, Loss, VolatileDisk
from meso_host.vm.power.nbd import NbdServer

SIZE = 64 * SECTOR


def make(path: Path) -> VolatileDisk:
    path.write_bytes(b"\0" * SIZE)
    return VolatileDisk(path)


def block(letter: str) -> bytes:
    return letter.encode() * SECTOR


def test_a_write_is_read_back_at_once_and_lost_by_a_cut(tmp_path: Path) -> None:
    disk = make(tmp_path / "d")
    disk.write(SECTOR, block("a"))
    assert disk.read(0, 3 * SECTOR) == block("\0") + block("a") + block("\0")
    loss = disk.cut()
    assert (loss.unflushed, loss.kept) == (1, 0)
    assert disk.read(SECTOR, SECTOR) == block("\0")


def test_a_flush_makes_everything_written_before_it_durable(tmp_path: Path) -> None:
    disk = make(tmp_path / "d")
    disk.write(0, block("a") + block("b"))
    disk.flush()
    disk.write(SECTOR, block("c"))
    disk.cut()
    assert disk.read(0, 2 * SECTOR) == block("a") + block("b")


def test_a_forced_write_is_durable_and_its_neighbours_are_not(tmp_path: Path) -> None:
    disk = make(tmp_path / "d")
    disk.write(0, block("a") * 3)
    disk.write(SECTOR, block("F"), force=True)
    disk.cut()
    assert disk.read(0, 3 * SECTOR) == block("\0") + block("F") + block("\0")


def test_nothing_written_after_the_cut_arrives(tmp_path: Path) -> None:
    disk = make(tmp_path / "d")
    disk.cut()
    disk.write(0, block("a"), force=True)
    disk.flush()
    disk.restore_power()
    assert disk.read(0, SECTOR) == block("\0")
    disk.write(0, block("b"), force=True)
    assert disk.read(0, SECTOR) == block("b")


def test_the_same_seed_keeps_the_same_sectors(tmp_path: Path) -> None:
    seen = []
    for name in ("one", "two"):
        disk = make(tmp_path / name)
        disk.write(0, block("x") * 64)
        loss = disk.cut(keep=0.5, seed=7)
        assert 0 < loss.kept < 64
        seen.append(disk.read(0, SIZE))
    assert seen[0] == seen[1]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 15), st.integers(1, 4), st.booleans()),
        st.tuples(st.just("flush"), st.just(0), st.just(0), st.booleans()),
    ),
    max_size=30,
)


@given(steps=steps, keep=st.sampled_from([0.0, 0.5, 1.0]), seed=st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_after_a_cut_each_sector_is_its_durable_self_or_its_last_write(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, int, int, bool]],
    keep: float,
    seed: int,
) -> None:
    disk = make(tmp_path_factory.mktemp("disk") / "d")
    durable = {s: block("\0") for s in range(20)}
    latest = dict(durable)
    for number, (kind, sector, count, force) in enumerate(steps):
        if kind == "flush":
            disk.flush()
            durable = dict(latest)
            continue
        data = block(chr(65 + number))
        disk.write(sector * SECTOR, data * count, force=force)
        for s in range(sector, sector + count):
            latest[s] = data
            if force:
                durable[s] = data
    copy = tmp_path_factory.mktemp("copy") / "c"
    loss = disk.copy(copy, 2 * SECTOR, keep, seed)
    assert disk.cut(keep, seed) == loss
    assert copy.read_bytes() == disk.read(2 * SECTOR, SIZE - 2 * SECTOR)
    for s in range(20):
        assert disk.read(s * SECTOR, SECTOR) in {durable[s], latest[s]}
        if keep == 0.0:
            assert disk.read(s * SECTOR, SECTOR) == durable[s]
    disk.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[VolatileDisk, Path]]:
    disk = make(tmp_path / "d")
    server = NbdServer(disk, tmp_path / "s")
    yield disk, tmp_path / "s"
    server.close()
    disk.close()


@pytest.mark.skipif(shutil.which("qemu-io") is None, reason="qemu-utils is not installed")
def test_qemu_reads_writes_and_flushes_over_it(served: tuple[VolatileDisk, Path]) -> None:
    disk, path = served
    url = f"nbd+unix:///disk?socket={path}"

    def qemu_io(*commands: str) -> str:
        words = [word for command in commands for word in ("-c", command)]
        # -t none: QEMU adds no flush of its own to each write, as for a guest's disk.
        argv = ["qemu-io", "-t", "none", "-f", "raw", *words, url]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=os.environ)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    qemu_io("write -P 0x61 0 4096", "read -P 0x61 0 4096", "flush")
    assert disk.flushes >= 1
    disk.write(0, b"b" * 4096)
    qemu_io("read -P 0x62 0 4096", "write -f -P 0x63 512 512")
    disk.cut()
    disk.restore_power()
    assert "4096" in qemu_io("read -P 0x63 512 512", "read -P 0 8192 4096")


def test_a_cut_can_wait_for_something_unflushed(tmp_path: Path) -> None:
    disk = make(tmp_path / "d")
    later = threading.Timer(0.2, disk.write, (0, block("a") * 2))
    later.start()
    assert disk.cut(wait=30.0) == Loss(unflushed=2, kept=0)
    later.join()


def test_a_copy_as_of_a_cut_changes_nothing_and_stays_sparse(tmp_path: Path) -> None:
    path = tmp_path / "d"
    with path.open("wb") as file:
        file.truncate(1 << 30)
        file.seek(600 << 20)
        file.write(block("d") * 8)
    disk = VolatileDisk(path)
    disk.write(700 << 20, block("u"))
    assert disk.copy(tmp_path / "c", 512 << 20) == Loss(unflushed=1, kept=0)
    assert disk.read(700 << 20, SECTOR) == block("u")
    copied = (tmp_path / "c").stat()
    assert (copied.st_size, copied.st_blocks * 512 < 1 << 20) == (512 << 20, True)
    with (tmp_path / "c").open("rb") as file:
        file.seek(88 << 20)
        assert file.read(9 * SECTOR) == block("d") * 8 + bytes(SECTOR)
        file.seek(188 << 20)
        assert file.read(SECTOR) == bytes(SECTOR)
    disk.close()
