"""The verbs of `meso session` and `meso checkpoint`, from their words to a real service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from meso_cli import command
from meso_cli.output import CliError, Output
from meso_cli.verbs.checkpoint import Export, carrying
from meso_cli.verbs.session import rows
from meso_cli.verbs.session.ask import Ask, call
from meso_services.contract.client import CallError, Connection, SessionManager, message
from meso_services.contract.session import CreateSession


@pytest.fixture
def connection(service: Any) -> Any:
    manager = service("session-manager")
    with Connection("session-manager", manager.socket.parent) as made:
        yield made


def said(connection: Connection, line: str, session: str = "") -> tuple[dict[str, Any], str]:
    """The answer of a command, and what people see of it."""
    ask = command.parse([word.replace("ID", session) for word in line.split()]).request
    assert isinstance(ask, Ask)
    document = call(connection, ask)
    return document, ask.view(document) if ask.view else json.dumps(document)


def test_a_session_is_worked_on_by_its_verbs(connection: Connection) -> None:
    manager = SessionManager(connection)
    session = manager.create(CreateSession()).id
    first = manager.append(session, message("user", "one zebra"))
    manager.append(session, message("assistant", "seen"))
    assert (
        "branch try" in said(connection, "session branch ID try --message 1 --switch", session)[1]
    )
    manager.append(session, message("user", "two"))
    assert "* " in said(connection, "session branches ID", session)[1]
    assert "working on main" in said(connection, "session switch ID main", session)[1]
    assert "would merge" in said(connection, "session merge ID try --dry-run", session)[1]
    assert "two" in said(connection, "session diff ID main try", session)[1]
    merged = said(connection, "session merge ID try", session)[0]
    assert merged["changed"]
    again = said(connection, "session merge ID try", session)[1]
    assert again == "main has everything that try has"
    assert "two" in said(connection, "session log ID", session)[1]
    assert "user: one zebra" in said(connection, "session context ID", session)[1]
    found = said(connection, "session search zebra --session ID", session)[1]
    assert "**zebra**" in found
    assert "not compacted" in said(connection, "session compact ID", session)[1]
    said(connection, f"session label ID {first.id} good", session)
    said(connection, f"session annotate ID {first.id} remark", session)
    marks = said(connection, "session marks ID", session)[0]
    assert (marks["labels"], marks["notes"][0]["text"]) == ({first.id: "good"}, "remark")
    said(connection, f"session label ID {first.id}", session)
    assert said(connection, "session marks ID", session)[0]["labels"] == {}
    said(connection, "session state set ID n 3", session)
    assert said(connection, "session state get ID n", session)[1] == "3"
    assert said(connection, "session state list ID", session)[1] == "n=3"
    said(connection, "session state unset ID n", session)
    assert said(connection, "session state list ID", session)[1] == "none"
    assert "working on" in said(connection, f"session replay ID --at {first.id}", session)[1]


def test_a_session_is_put_away_by_its_verbs(connection: Connection) -> None:
    manager = SessionManager(connection)
    session = manager.create(CreateSession()).id
    first = manager.append(session, message("user", "one"))
    said(connection, "session branch ID try", session)
    child = said(connection, "session fork ID --message 1 --name child", session)[0]["id"]
    assert f"v {child}" in said(connection, "session family ID", session)[1]
    said(connection, "session rename ID named", session)
    said(connection, "session rename ID other --branch try", session)
    assert "TOTAL" not in said(connection, "session usage ID", session)[1]
    said(connection, f"session cherry-pick ID {first.id} --onto other", session)
    said(connection, "session rebase ID main --branch other", session)
    said(connection, "session stash ID --message 1 --note later", session)
    assert "later" in said(connection, "session stashes ID", session)[1]
    said(connection, "session pop ID", session)
    said(connection, "session drop ID other", session)
    said(connection, "session reset ID main --message 1", session)
    assert "(archived)" in said(connection, "session archive ID", session)[1]
    said(connection, "session unarchive ID", session)
    with pytest.raises(CallError) as refused:
        said(connection, "session delete ID", session)
    token = refused.value.info.detail["confirm"]
    said(connection, f"session delete ID --confirm {token}", session)
    assert said(connection, "session deleted")[0]["sessions"] == [session]
    said(connection, "session undelete ID", session)


def test_every_action_has_been_tried(connection: Connection) -> None:
    """The test above names each of them."""
    source = Path(__file__).read_text()
    missing = [row.name for row in rows.ROWS if f"session {row.name}" not in source]
    assert missing == []
    assert connection.health().state == "ok"


def test_a_checkpoint_goes_to_a_file_and_comes_back(
    connection: Connection, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = SessionManager(connection).create(CreateSession()).id
    SessionManager(connection).append(session, message("user", "one"))
    made, text = said(connection, "checkpoint create ID named --note n --state", session)
    assert text.startswith(made["checkpoint_id"]) and "NOT KEPT memory" in text
    ident = made["checkpoint_id"]
    assert ident in said(connection, "checkpoint list")[1]
    assert said(connection, "checkpoint show ID", ident)[0] == made
    would = said(connection, "checkpoint restore ID --dry-run", ident)[1]
    assert would.startswith("would restore")
    file = tmp_path / "out.meso"
    carrying.export(connection, Export(ident, str(file), False), Output())
    said(connection, "checkpoint delete ID", ident)
    carrying.bring(connection, str(file), Output(json=True), str)
    assert json.loads(capsys.readouterr().out.split("\n", 1)[1]) == made
    assert said(connection, "checkpoint restore ID", ident)[1].startswith("restored")


def test_a_session_is_meant_by_its_name_or_the_beginning_of_its_id(connection: Connection) -> None:
    manager = SessionManager(connection)
    session = manager.create(CreateSession(name="garden")).id
    manager.append(session, message("user", "zebra"))
    for word in ("garden", session[:8], session):
        assert "zebra" in said(connection, f"session log {word}")[1]
    made = said(connection, "checkpoint create garden before")[0]
    assert made["session"]["session_id"] == session
    assert said(connection, "checkpoint show before")[0]["checkpoint_id"] == made["checkpoint_id"]
    assert "before" in said(connection, "checkpoint list --session garden")[1]
    other = manager.create(CreateSession(name="garden")).id
    with pytest.raises(CliError) as error:
        said(connection, "session log garden")
    assert error.value.code == "cli.ambiguous"
    assert {session, other} == set(error.value.hint.split())
    # Nobody is meant by the name of none, or by too little of an id.
    for word in ("gard", session[:3], "nobody"):
        with pytest.raises(CallError) as unknown:
            said(connection, f"session log {word}")
        assert unknown.value.code == "session.not_found"
