"""Group commit: nobody is told that something is kept before it is."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from meso_services.runtime.group import GroupFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "log"
    made.write_bytes(b"first\n")
    return made


def test_many_callers_share_few_flushes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one flushes, the others wait; one more flush is enough for all of them."""
    flushes: list[int] = []
    real = os.fdatasync
    gate = threading.Event()

    def slow(handle: int) -> None:
        flushes.append(os.fstat(handle).st_size)
        gate.wait(20)
        real(handle)

    monkeypatch.setattr(os, "fdatasync", slow)
    file = GroupFile(path)
    written = threading.Barrier(21, action=gate.set)

    def work(number: int) -> None:
        ticket = file.append(b"%d\n" % number)
        written.wait(20)
        file.wait(ticket)

    with ThreadPoolExecutor(21) as pool:
        leader = pool.submit(file.wait, file.append(b"lead\n"))
        workers = [pool.submit(work, number) for number in range(20)]
        written.wait(20)
        for done in (leader, *workers):
            done.result(20)
    assert len(flushes) <= 3
    assert sorted(path.read_bytes().split()) == sorted(
        [b"first", b"lead", *(b"%d" % n for n in range(20))]
    )
    file.close()


def test_what_a_failed_flush_held_is_cut_off_and_said_to_all(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = GroupFile(path)
    kept = file.append(b"kept\n")
    file.wait(kept)
    tickets = [file.append(b"lost\n"), file.append(b"lost too\n")]

    def broken(_handle: int) -> None:
        raise OSError(5, "the disk is broken")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", broken)
        for ticket in tickets:
            with pytest.raises(OSError, match="disk"):
                file.wait(ticket)
    assert path.read_bytes() == b"first\nkept\n"
    file.wait(file.append(b"again\n"))
    assert path.read_bytes() == b"first\nkept\nagain\n"
    file.close()


def test_what_was_written_last_can_be_undone(path: Path) -> None:
    file = GroupFile(path)
    file.undo(file.append(b"never\n"))
    file.wait(file.append(b"next\n"))
    assert path.read_bytes() == b"first\nnext\n"
    file.close()
