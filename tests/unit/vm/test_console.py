"""What the serial console says is read as a person would read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from meso_host.vm.console import Console

FIRMWARE = b'\x1b[2J\x1b[01;01HBdsDxe: starting Boot0001 "UEFI Misc Device"\r\n'
KERNEL = b"[    0.000000] Linux version 6.12.117\r\n"
SYSTEM = (
    b"\x1b[0;1;39mWelcome to \x1b[1mMESO OS\x1b[0m!\r\n[\x1b[0;32m  OK  \x1b[0m] Started x.\r\n"
)


@pytest.mark.parametrize(
    ("said", "stage"),
    [
        (b"", "power on"),
        (FIRMWARE, "firmware"),
        (FIRMWARE + KERNEL, "kernel"),
        (FIRMWARE + KERNEL + SYSTEM, "system"),
    ],
)
def test_the_stage_is_the_furthest_mark_seen(tmp_path: Path, said: bytes, stage: str) -> None:
    (tmp_path / "log").write_bytes(said)
    assert Console(tmp_path / "log", start=0).stage() == stage


def test_the_last_lines_are_free_of_terminal_control(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(FIRMWARE + SYSTEM + b"\r\n\r\n")
    console = Console(tmp_path / "log", start=0)
    assert console.tail(2) == "Welcome to MESO OS!\n[  OK  ] Started x."


def test_an_earlier_start_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(FIRMWARE)
    console = Console(tmp_path / "log")
    assert console.stage() == "power on"
    with (tmp_path / "log").open("ab") as file:
        file.write(KERNEL)
    assert console.stage() == "kernel"
