"""A service's life under systemd: descriptor, notifications, watchdog, reload, stop."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

DEMO = Path(__file__).with_name("demo.py")


class Manager:
    """Listens where systemd would."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(15)

    def next(self) -> dict[str, str]:
        """The next notification as its variables."""
        lines = self._socket.recv(4096).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def until(self, name: str) -> dict[str, str]:
        while name not in (told := self.next()):
            pass
        return told

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(root: Path) -> Iterator[Manager]:
    made = Manager(root / "notify")
    yield made
    made.close()


def test_it_tells_systemd_what_it_does(demo: Any, manager: Manager) -> None:
    """Ready, reloading with the clock's time, ready again, stopping: in this order."""
    running = demo(environment={"NOTIFY_SOCKET": str(manager.path)})
    assert manager.next()["READY"] == "1"
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    running.process.send_signal(signal.SIGHUP)
    reloading = manager.next()
    assert reloading["RELOADING"] == "1"
    assert before <= int(reloading["MONOTONIC_USEC"])
    assert manager.next()["READY"] == "1"
    assert running.stop() == 0
    assert manager.next()["STOPPING"] == "1"


def test_the_watchdog_is_fed_by_the_event_loop(demo: Any, manager: Manager) -> None:
    """It comes in time while the loop turns, and stops coming when the process hangs."""
    running = demo(environment={"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "2000000"})
    manager.until("READY")
    times = []
    for _ in range(3):
        manager.until("WATCHDOG")
        times.append(time.monotonic())
    assert max(b - a for a, b in itertools.pairwise(times)) < 2
    running.process.send_signal(signal.SIGSTOP)
    try:
        manager._socket.settimeout(2.0)
        with pytest.raises(TimeoutError):
            for _ in range(9):
                manager.until("WATCHDOG")
    finally:
        running.process.send_signal(signal.SIGCONT)


def test_a_watchdog_for_another_process_is_not_answered(demo: Any, manager: Manager) -> None:
    environment = {
        "NOTIFY_SOCKET": str(manager.path),
        "WATCHDOG_USEC": "300000",
        "WATCHDOG_PID": "1",
    }
    demo(environment=environment)
    assert "READY" in manager.next()
    manager._socket.settimeout(1.0)
    with pytest.raises(TimeoutError):
        manager.next()


def test_an_abstract_notify_socket_works(demo: Any) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0meso-test-{os.getpid()}")
        listener.settimeout(15)
        demo(environment={"NOTIFY_SOCKET": f"@meso-test-{os.getpid()}"})
        assert b"READY=1" in listener.recv(4096)


def exec_with_descriptor(listener: socket.socket, root: Path) -> int:
    """Start the demo as systemd would: the socket on descriptor 3, LISTEN_PID its own pid."""
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(listener.fileno(), 3, inheritable=True)
            log = os.open(root / "demo.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 2)
            environment = {
                **os.environ,
                "PYTHONPATH": str(DEMO.parents[3]),
                "LISTEN_FDS": "1",
                "LISTEN_PID": str(os.getpid()),
            }
            os.execve(  # noqa: S606 - the pid must stay the same, as with systemd
                sys.executable,
                [sys.executable, str(DEMO), "--root", str(root)],
                environment,
            )
        finally:
            os._exit(1)
    return pid


def test_no_request_is_lost_while_it_restarts_on_an_inherited_socket(root: Path) -> None:
    """Clients only wait: the socket belongs to systemd and outlives the process."""
    path = root / "given.sock"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(64)
    answered: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            with httpx.Client(
                transport=httpx.HTTPTransport(uds=str(path)), base_url="http://x", timeout=30
            ) as client:
                answered.append(client.get("/process").json())

    pid = exec_with_descriptor(listener, root)
    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(3):
            seen = len(answered)
            deadline = time.monotonic() + 20
            while len(answered) < seen + 5:
                assert time.monotonic() < deadline, (root / "demo.log").read_text()
                time.sleep(0.02)
            os.kill(pid, signal.SIGTERM)
            _, status = os.waitpid(pid, 0)
            assert status == 0
            pid = exec_with_descriptor(listener, root)
        stop.set()
        asking.join(30)
        assert not asking.is_alive()
    finally:
        stop.set()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        listener.close()
    assert len(set(answered)) >= 3
    assert not (root / "run/meso/demo.sock").exists()


def test_a_reload_changes_what_new_requests_see_and_not_running_ones(demo: Any) -> None:
    running = demo({"greeting": "old"})
    with running.client as client, client.stream("GET", "/stream?count=12") as stream:
        lines = stream.iter_lines()
        assert next(lines) == "old"
        running.configure({"greeting": "new"}, generation="test-2")
        running.reload()
        with running.client as other:
            assert other.get("/greeting").json() == {"words": "new"}
            assert other.get("/healthz").json()["generation"] == "test-2"
            assert other.get("/process").json() == running.process.pid
        assert set(lines) == {"old"}


@pytest.mark.parametrize("bad", [{"greting": "x"}, {"greeting": 5}, {"greeting": "explode"}])
def test_a_reload_that_cannot_be_used_changes_nothing_and_is_seen(
    demo: Any, bad: dict[str, Any]
) -> None:
    """The old state serves on; health is degraded and says why, until a good reload."""
    running = demo({"greeting": "old"})
    running.configure(bad, generation="test-2")
    running.reload()
    with running.client as client:
        assert client.get("/greeting").json() == {"words": "old"}
        health = client.get("/healthz").json()
        assert (health["state"], health["generation"]) == ("degraded", "test-1")
        assert health["checks"][-1]["name"] == "configuration"
        running.configure({"greeting": "new"}, generation="test-3")
        running.reload()
        assert client.get("/greeting").json() == {"words": "new"}
        assert client.get("/healthz").json()["state"] == "ok"


def test_a_configuration_that_does_not_fit_stops_the_start_with_one_clear_line(demo: Any) -> None:
    running = demo({"greeting": 5}, start=False)
    running.launch()
    assert running.process.wait(20) == 1
    (line,) = running.log.splitlines()
    assert "config/demo.json: greeting: Input should be a valid string" in line


def test_a_generation_without_the_file_stops_the_start(demo: Any, root: Path) -> None:
    running = demo({}, start=False)
    (root / "nix/store/test-1/config/demo.json").unlink()
    running.launch()
    assert running.process.wait(20) == 1
    assert "settings.missing" in running.log


def test_a_stop_lets_running_requests_finish(demo: Any) -> None:
    running = demo()
    with running.client as client, client.stream("GET", "/stream?count=8") as stream:
        lines = stream.iter_lines()
        next(lines)
        running.process.send_signal(signal.SIGTERM)
        assert len(list(lines)) == 7
    assert running.process.wait(20) == 0
    assert "stopped" in running.log


def test_a_stop_does_not_wait_for_ever(demo: Any) -> None:
    running = demo({"drain_seconds": 1})
    with running.client as client, client.stream("GET", "/stream?count=600"):
        began = time.monotonic()
        assert running.stop() == 0
    assert time.monotonic() - began < 8
    assert "stopped before these requests were finished requests=1" in running.log
    assert "error:" not in running.log


def test_a_stale_socket_is_replaced_and_a_served_one_is_not(demo: Any, service: Any) -> None:
    running = demo()
    again = service("demo", program=(str(DEMO),), start=False)
    again.launch()
    assert again.process.wait(20) == 1
    assert "is served already" in again.log
    running.kill()
    assert running.socket.exists()
    again.start()


def test_checks_are_bounded_in_time(demo: Any) -> None:
    """A check that hangs fails; it does not hang the asker."""
    with demo({"greeting": "slow", "health_seconds": 0.2}).client as client:
        assert client.get("/healthz").json()["state"] == "ok"
        began = time.monotonic()
        deep = client.get("/healthz", params={"deep": 1})
        assert time.monotonic() - began < 5
    assert (deep.status_code, deep.json()["state"]) == (503, "failed")
    assert deep.json()["checks"][0]["detail"] == "no answer within 0.2 s"


def test_a_broken_check_degrades_and_its_words_stay_in_the_journal(demo: Any) -> None:
    running = demo({"greeting": "broken"})
    with running.client as client:
        health = client.get("/healthz")
    assert (health.status_code, health.json()["state"]) == (200, "degraded")
    assert "hunter2" not in health.text + running.log
    assert "a health check failed" in running.log
