"""A boot is healthy when all six services say so; otherwise the appliance acts in a fixed order."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path

import pytest

from meso_services.boot import client, records, slots
from meso_services.boot.health import WAIT_SECONDS, act, check, patience
from meso_services.boot.machine import SERVICES, Machine
from meso_services.boot.probe import ask
from meso_services.boot.record import open_record

from .conftest import Serve, health, put


@pytest.mark.usefixtures("all_well")
def test_six_well_services_make_a_healthy_boot(machine: Machine) -> None:
    open_record(machine)
    found = check(machine, 5)
    assert found.healthy
    assert found.reason == ""
    record = records.load(machine.records)
    assert record is not None
    assert record.health == found


def test_a_degraded_service_is_well(machine: Machine, serve: Serve) -> None:
    for service in SERVICES:
        serve(service, health("degraded" if service == "api-proxy" else "ok"), 200)
    assert check(machine, 5).healthy


def test_the_reason_names_the_service_and_its_failed_check(machine: Machine, serve: Serve) -> None:
    open_record(machine)
    for service in SERVICES[1:]:
        serve(service, health("ok"), 200)
    failed = health("failed", {"name": "store", "ok": False, "ms": 1, "detail": "disk is full"})
    serve(SERVICES[0], failed, 503)
    found = check(machine, 4)
    assert not found.healthy
    assert "session-manager is failed" in found.reason
    assert "store: disk is full" in found.reason
    record = records.load(machine.records)
    assert record is not None
    assert record.health == found


def test_waiting_ends_when_a_late_service_arrives(machine: Machine, serve: Serve) -> None:
    for service in SERVICES[:-1]:
        serve(service, health("ok"), 200)
    with socket.socket(socket.AF_UNIX) as listener:
        # The socket exists before the service answers, as with socket activation.
        listener.bind(str(machine.socket(SERVICES[-1])))
        listener.listen()
        assert not check(machine, 1).healthy
    machine.socket(SERVICES[-1]).unlink()
    serve(SERVICES[-1], health("ok"), 200)
    assert check(machine, 10).healthy


def test_nothing_is_waited_for_longer_than_allowed(machine: Machine) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(machine.socket(SERVICES[0])))
        silent.listen()
        began = time.monotonic()
        found = check(machine, 1)
    assert time.monotonic() - began < 4
    assert "session-manager is unreachable (no answer within" in found.reason
    assert "mind-runner is unreachable (No such file or directory)" in found.reason


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nnot json",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\n[1]",
        b'HTTP/1.1 200 OK\r\n\r\n{"state": "splendid"}',
    ],
)
def test_an_answer_that_is_no_health_report_is_not_taken_for_one(
    machine: Machine, reply: bytes
) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(machine.socket("mind-runner")))
        listener.listen()
        listener.settimeout(5)
        answer = _answer_once(listener, reply)
        assert ask(machine, "mind-runner", 5).state == "unreachable"
        answer.join()


def test_an_endless_answer_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        answer = _answer_once(listener, b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (3 << 20))
        with pytest.raises(client.UnreachableError, match="1 MiB"):
            client.get(path, "/", 5)
        answer.join()


def test_a_slot_on_trial_with_another_one_restarts(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = _systemctl(tmp_path, monkeypatch)
    open_record(machine)
    put(machine.loader_variable("LoaderBootCountPath"), "")
    put(machine.entries / "meso_7+1-2.efi", "")
    put(machine.entries / "meso_6.efi", "")
    assert "meso_6 can boot" in act(machine, "mind-runner is failed")
    assert "reboot" in calls.read_text()
    record = records.load(machine.records)
    assert record is not None
    assert record.intent == "mind-runner is failed"


@pytest.mark.parametrize(
    ("counted", "names"),
    [
        (False, ["meso_7.efi", "meso_6.efi"]),  # a confirmed slot is not given up
        (True, ["meso_7+1-2.efi"]),  # no other slot
        (True, ["meso_7+1-2.efi", "meso_6+0-3.efi"]),  # the other one is used up
        (True, ["meso_7+1-2.efi", "notes.txt"]),
    ],
)
def test_otherwise_it_stays_up(
    machine: Machine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    counted: bool,
    names: list[str],
) -> None:
    calls = _systemctl(tmp_path, monkeypatch)
    open_record(machine)
    for name in names:
        put(machine.entries / name, "")
    if counted:
        put(machine.loader_variable("LoaderBootCountPath"), "")
    assert "staying up" in act(machine, "mind-runner is failed")
    assert not calls.exists()


def _systemctl(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `systemctl` that only writes down how it was called."""
    program, calls = directory / "bin/systemctl", directory / "calls"
    put(program, f'#!/bin/sh\necho "$@" >>{calls}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return calls


def _answer_once(listener: socket.socket, reply: bytes) -> threading.Thread:
    def work() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(1 << 16)
            connection.sendall(reply)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_the_loader_says_which_entry_runs(machine: Machine) -> None:
    """Two entries may hold the same version, so its name alone does not tell."""
    assert slots.entry(machine) == "meso_7"
    said = b"\x07\x00\x00\x00" + "meso_9+2-1.efi\0".encode("utf-16-le")
    put(machine.loader_variable("LoaderEntrySelected"), "")
    machine.loader_variable("LoaderEntrySelected").write_bytes(said)
    assert slots.entry(machine) == "meso_9"


def test_the_kernels_command_line_sets_the_patience(machine: Machine) -> None:
    assert patience(machine) == WAIT_SECONDS
    put(machine.command_line, "quiet meso.health_seconds=5 panic=10\n")
    assert patience(machine) == 5.0
