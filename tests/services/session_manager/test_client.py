"""The contract's client against the real service, through restarts and refusals."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from meso_services.contract.client import CallError, Connection, SessionManager, message
from meso_services.contract.common import HealthState
from meso_services.contract.session import CreateSession, NewEntry


def test_typed_calls(service: Any, root: Path) -> None:
    """What goes in as a model comes back as one, page by page."""
    service("session-manager")
    with Connection("session-manager", root / "run/meso") as connection:
        manager = SessionManager(connection)
        session = manager.create(CreateSession(name="typed"))
        made = [manager.append(session.id, message("user", f"{n}")) for n in range(3)]
        root_entry = manager.append(
            session.id, NewEntry(type="custom", parent_id=None, data={"x": 1})
        )
        assert root_entry.parent_id is None
        assert [*made, root_entry] == list(manager.entries(session.id, after=session.leaf))
        assert manager.show(session.id).entries == 5
        assert [found.id for found in manager.sessions()] == [session.id]
        assert connection.health(deep=True).state is HealthState.OK


def test_an_error_arrives_as_code_message_and_status(service: Any, root: Path) -> None:
    service("session-manager")
    with (
        Connection("session-manager", root / "run/meso") as connection,
        pytest.raises(CallError) as caught,
    ):
        SessionManager(connection).show("nope")
    assert (caught.value.code, caught.value.status) == ("session.not_found", 404)
    assert "there is no session nope" in str(caught.value)


def test_a_service_that_is_not_there_is_said_after_the_patience(root: Path) -> None:
    with Connection("session-manager", root, patience=0.2) as connection:
        began = time.monotonic()
        with pytest.raises(CallError, match="systemctl status meso-session-manager") as caught:
            SessionManager(connection).show("x")
        assert time.monotonic() - began < 5
    assert caught.value.code == "service.unreachable"


def test_appends_through_restarts_are_made_once_each(service: Any, root: Path) -> None:
    """The process is killed while a client appends; it repeats, and nothing doubles."""
    running = service("session-manager")
    stop = threading.Event()

    def disturb() -> None:
        for _ in range(4):
            time.sleep(0.3)
            running.kill()
            running.start()
        stop.set()

    # On a busy computer four starts in a row take longer than a person would wait.
    with Connection("session-manager", root / "run/meso", patience=120) as connection:
        manager = SessionManager(connection)
        session = manager.create(CreateSession())
        disturber = threading.Thread(target=disturb)
        disturber.start()
        made = []
        while not stop.is_set():
            made.append(manager.append(session.id, NewEntry(type="custom", data={"n": len(made)})))
        disturber.join()
        assert list(manager.entries(session.id)) == made
