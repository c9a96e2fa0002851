"""Restart and power-off: the operator may, others may not, and nothing happens unasked."""

from __future__ import annotations

import io
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from meso_cli.output import CliError, Output
from meso_cli.verbs import power as verb
from meso_services.boot import power
from meso_services.runtime.credentials import Peer

ROOT, STRANGER = Peer(1, 0, 0), Peer(2, 12345, 12345)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / verb.SOCKET.parent).mkdir(parents=True)
    return tmp_path


@pytest.fixture
def done(root: Path) -> Iterator[list[str]]:
    """The unit on its real socket; what it would have had systemd do."""
    taken: list[str] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / verb.SOCKET))
        listener.listen()
        thread = threading.Thread(target=power.serve, args=(listener, taken.append, 0.5, 0.0))
        thread.start()
        yield taken
        thread.join(timeout=30)
        assert not thread.is_alive(), "it goes when nobody calls"


def soon(done: list[str]) -> list[str]:
    """What was done, once something was: the answer comes first."""
    end = time.monotonic() + 10
    while not done and time.monotonic() < end:
        time.sleep(0.01)
    return done


def ask(line: bytes, peer: Peer | None) -> tuple[dict[str, Any], str]:
    return power.decide(line, peer)


def test_a_stranger_is_refused_and_nothing_is_done() -> None:
    answer, action = ask(b'{"action": "reboot"}', STRANGER)
    assert answer["error"]["code"] == "power.not_operator"
    assert "12345" in answer["error"]["message"]
    assert action == ""
    assert ask(b'{"action": "reboot"}', None)[1] == ""


@pytest.mark.parametrize(
    "line", [b"", b"reboot\n", b"[]", b'{"action": "halt"}', b'{"action": ["reboot"]}', b"\xff"]
)
def test_nonsense_is_refused(line: bytes) -> None:
    answer, action = ask(line, ROOT)
    assert (answer["error"]["code"], action) == ("power.bad_request", "")


def test_check_does_nothing() -> None:
    assert ask(b'{"action": "reboot", "check": true}', ROOT) == (
        {"action": "reboot", "accepted": False},
        "",
    )


run_as_root = pytest.mark.skipif(os.getuid() != 0, reason="the caller must be root or operator")


@run_as_root
@pytest.mark.parametrize("action", sorted(power.ACTIONS))
def test_the_verb_reaches_the_unit(root: Path, done: list[str], action: str) -> None:
    out = io.StringIO()
    assert verb.run(verb.Request(action, True, False), Output(json=True, stream=out), root) == 0
    assert json.loads(out.getvalue())["accepted"]
    assert soon(done) == [action]


@run_as_root
def test_a_dry_run_asks_nothing_and_does_nothing(root: Path, done: list[str]) -> None:
    out = io.StringIO()
    assert verb.run(verb.Request("poweroff", False, True), Output(stream=out), root) == 0
    assert "would do it" in out.getvalue()
    assert done == []


def test_a_caller_that_says_nothing_does_not_stop_the_next(root: Path, done: list[str]) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(root / verb.SOCKET))
    with socket.socket(socket.AF_UNIX) as next_one:
        next_one.connect(str(root / verb.SOCKET))
        next_one.sendall(b'{"action": "reboot", "check": true}\n')
        assert b"reboot" in next_one.makefile("rb").readline()
    assert done == []


def test_without_a_terminal_it_wants_yes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(CliError) as caught:
        verb.run(verb.Request("reboot", False, False), Output(), root)
    assert (caught.value.code, caught.value.status) == ("power.unconfirmed", 2)
    assert "--yes" in caught.value.hint


class Terminal(io.StringIO):
    """What somebody typed, on a terminal."""

    def isatty(self) -> bool:
        return True


@run_as_root
@pytest.mark.parametrize(("typed", "goes"), [("y\n", True), ("YES\n", True), ("\n", False)])
def test_on_a_terminal_it_asks(
    root: Path, done: list[str], monkeypatch: pytest.MonkeyPatch, typed: str, goes: bool
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    request = verb.Request("reboot", False, False)
    act: Callable[[], int] = lambda: verb.run(request, Output(stream=io.StringIO()), root)  # noqa: E731
    if goes:
        assert act() == 0
    else:
        with pytest.raises(CliError, match="nothing was done"):
            act()
    assert (soon(done) if goes else done) == (["reboot"] if goes else [])


def test_a_machine_without_the_unit_is_named(root: Path) -> None:
    with pytest.raises(CliError) as caught:
        verb.run(verb.Request("reboot", True, False), Output(), root)
    assert caught.value.code == "power.unreachable"
