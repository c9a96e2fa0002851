"""Resume, handoff and pickup, between real services of two appliances."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from meso_cli import command
from meso_cli.output import CliError, Output
from meso_cli.verbs import session as verb
from meso_cli.verbs.session import handing
from meso_services.contract.client import CallError, Connection
from tests.services.conftest import new_root, starter


class Appliance:
    """A session manager with its tool executor."""

    def __init__(self, begin: Any, *names: str) -> None:
        self.services = {name: begin(name, {}) for name in (*names, "session-manager")}
        self.manager = self.services["session-manager"]

    def ask(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        with self.manager.client as client:
            reply = client.request(method, path, **more)
            assert reply.status_code == status, (path, reply.text)
            return reply.json()

    def session(self) -> str:
        made: str = self.ask("POST", "/v1/sessions", 201, json={})["id"]
        return made

    def say(self, session: str, text: str, **more: Any) -> str:
        entry = {"type": "message", "data": {"message": {"role": "user", "content": text}}, **more}
        made: str = self.ask("POST", f"/v1/sessions/{session}/entries", 201, json=entry)["id"]
        return made

    def texts(self, session: str, **query: Any) -> list[str]:
        found = self.ask("GET", f"/v1/sessions/{session}/context", params=query)
        return [b["text"] for m in found["messages"] for b in m["content"]]

    def files(self, session: str, branch: str = "main") -> Path:
        with self.services["tool-executor"].client as client:
            client.post("/v1/workspaces", json={"session": session, "branch": branch})
        place: Path = self.manager.root / "meso/workspaces" / session / branch
        return place

    def verb(self, capsys: pytest.CaptureFixture[str], *words: str) -> str:
        request = command.parse(["session", *words]).request
        with Connection("session-manager", self.manager.socket.parent) as connection:
            if isinstance(request, handing.HandOff | handing.PickUp):
                handing.run(request, connection, Output(False))
            else:
                verb.shown(Output(False), request, verb.call(connection, request))
        return capsys.readouterr().out


@pytest.fixture
def here(service: Any) -> Appliance:
    return Appliance(service, "tool-executor")


@pytest.fixture
def there() -> Iterator[Appliance]:
    with new_root() as root, starter(root) as begin:
        yield Appliance(begin, "tool-executor")


def test_a_session_goes_to_another_appliance_and_back(
    here: Appliance, there: Appliance, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Words, files and tasks arrive; what was done there comes back; a task stays one task."""
    session = here.session()
    here.say(session, "water the beds")
    (here.files(session) / "plan").write_text("beds 1 to 3\n")
    task = {"subject": "bed 2", "session": session, "description": "the left one"}
    here.ask("POST", "/v1/tasks", 201, json=task)
    file = tmp_path / "one.meso"
    dry = here.verb(capsys, "handoff", session, "--note", "bed 2 is dry", "--dry-run")
    assert "would hand off branch main" in dry
    assert here.ask("GET", "/v1/checkpoints")["checkpoints"] == []
    said = here.verb(
        capsys, "handoff", session, "--note", "bed 2 is dry", "--to", "pi", "--file", str(file)
    )
    assert f"meso session pickup {file}" in said
    assert "the file is whole" in there.verb(capsys, "pickup", str(file), "--dry-run")
    assert there.ask("GET", "/v1/sessions")["sessions"] == []
    said = there.verb(capsys, "pickup", str(file), "--on", "pi")
    assert "note: bed 2 is dry" in said
    assert "meso adapter install pi" in said
    assert there.texts(session) == ["water the beds", "Handoff to pi: bed 2 is dry"]
    assert (there.files(session) / "plan").read_text() == "beds 1 to 3\n"
    (task,) = there.ask("GET", "/v1/tasks")["tasks"]
    assert (task["subject"], task["description"]) == ("bed 2", "the left one")
    there.verb(capsys, "pickup", str(file))
    assert len(there.ask("GET", "/v1/tasks")["tasks"]) == 1
    there.say(session, "bed 2 is wet now")
    (there.files(session) / "plan").write_text("bed 3\n")
    there.ask("PATCH", f"/v1/tasks/{task['id']}", json={"status": "in_progress"})
    back = tmp_path / "two.meso"
    there.verb(capsys, "handoff", session, "--file", str(back))
    said = here.verb(capsys, "pickup", str(back))
    assert "what the branch had beyond" not in said
    assert here.texts(session)[-1] == "bed 2 is wet now"
    assert (here.files(session) / "plan").read_text() == "bed 3\n"
    (task,) = here.ask("GET", "/v1/tasks")["tasks"]
    assert task["status"] == "in_progress"


def test_what_was_done_on_both_sides_stays(
    here: Appliance, there: Appliance, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = here.session()
    here.say(session, "begin")
    file = tmp_path / "f"
    here.verb(capsys, "handoff", session, "--file", str(file))
    there.verb(capsys, "pickup", str(file))
    there.say(session, "there")
    file.unlink()
    there.verb(capsys, "handoff", session, "--file", str(file))
    here.say(session, "here")
    said = here.verb(capsys, "pickup", str(file))
    kept = said.split("is branch ")[1].split()[0]
    assert here.texts(session) == ["begin", "there"]
    assert here.texts(session, branch=kept) == ["begin", "here"]


def test_a_handoff_asked_for_again_is_one(here: Appliance) -> None:
    session = here.session()
    here.say(session, "begin")
    wanted = {"note": "n", "to": "goose"}
    more = {"json": wanted, "headers": {"Idempotency-Key": "k" * 128}}
    first = here.ask("POST", f"/v1/sessions/{session}/handoff", **more)
    entries = here.ask("GET", f"/v1/sessions/{session}")["entries"]
    again = here.ask("POST", f"/v1/sessions/{session}/handoff", **more)
    assert again["checkpoint"] == first["checkpoint"]
    assert here.ask("GET", f"/v1/sessions/{session}")["entries"] == entries
    (row,) = here.ask("GET", "/v1/checkpoints")["checkpoints"]
    assert (row["checkpoint_name"], row["operator_note"]) == ("handoff to goose", "n")


@pytest.mark.parametrize("spoil", ["cut", "foreign"])
def test_a_spoiled_file_is_not_picked_up(
    there: Appliance, here: Appliance, spoil: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    session = here.session()
    here.say(session, "begin")
    file = tmp_path / "f"
    here.verb(capsys, "handoff", session, "--file", str(file))
    file.write_bytes(file.read_bytes()[:-9] if spoil == "cut" else b"something else")
    for more in ((), ("--dry-run",)):
        with pytest.raises(CallError) as caught:
            there.verb(capsys, "pickup", str(file), *more)
        assert caught.value.code == "checkpoint.damaged"
    assert there.ask("GET", "/v1/sessions")["sessions"] == []
    with pytest.raises(CliError) as refused:
        here.verb(capsys, "handoff", session, "--file", str(file))
    assert refused.value.code == "cli.file_exists"
    with pytest.raises(CliError) as refused:
        here.verb(capsys, "pickup", str(tmp_path / "absent"))
    assert refused.value.code == "cli.file_unreadable"


def test_resume_brings_back_what_is_missing_and_keeps_newer_work(
    here: Appliance, capsys: pytest.CaptureFixture[str]
) -> None:
    session = here.session()
    here.say(session, "begin")
    place = here.files(session)
    (place / "plan").write_text("one\n")
    task = here.ask("POST", "/v1/tasks", 201, json={"subject": "t", "session": session})["id"]
    here.ask("POST", "/v1/checkpoints", 201, json={"session": session})
    here.say(session, "later")
    (place / "plan").write_text("two\n")
    here.ask("PATCH", f"/v1/tasks/{task}", json={"status": "in_progress"})
    said = here.verb(capsys, "resume", session)
    assert "DIFFERS plan" in said
    assert f"task {task} was pending: t, is in_progress: t" in said
    assert (place / "plan").read_text() == "two\n"
    assert here.texts(session) == ["begin", "later"]
    here.ask("PATCH", f"/v1/sessions/{session}", json={"archived": True})
    shutil.rmtree(place)
    assert "files: restored" in here.verb(capsys, "resume", session, "--dry-run")
    assert not place.exists()
    assert here.ask("GET", f"/v1/sessions/{session}")["archived"]
    said = here.verb(capsys, "resume", session)
    assert "it was archived" in said
    assert (place / "plan").read_text() == "one\n"
    assert not here.ask("GET", f"/v1/sessions/{session}")["archived"]


def test_resume_exactly_makes_it_what_the_checkpoint_says(here: Appliance) -> None:
    session = here.session()
    here.say(session, "begin")
    place = here.files(session)
    (place / "plan").write_text("one\n")
    url = f"/v1/sessions/{session}/resume"
    here.ask("POST", url, 404, json={"exact": True})
    here.ask("POST", "/v1/checkpoints", 201, json={"session": session})
    here.say(session, "later")
    (place / "plan").write_text("two\n")
    dry = here.ask("POST", url, json={"exact": True, "dry_run": True})
    assert (dry["files_differ"], dry["entries_since"]) == (["plan"], 2)
    assert here.texts(session) == ["begin", "later"]
    done = here.ask("POST", url, json={"exact": True})
    assert here.texts(session) == ["begin"]
    assert here.texts(session, branch=done["kept_branch"]) == ["begin", "later"]
    assert (place / "plan").read_text() == "one\n"
    # The files that gave way can be had again.
    with here.services["tool-executor"].client as client:
        body = {"session": session, "branch": "main", "snapshot": done["workspace_before"]}
        assert client.post("/v1/workspaces/restore", json=body).status_code == 200
    assert (place / "plan").read_text() == "two\n"


def test_without_a_tool_executor_a_session_goes_on_and_its_files_are_not_judged(
    here: Appliance,
) -> None:
    session = here.session()
    here.say(session, "begin")
    here.files(session)
    made = here.ask("POST", "/v1/checkpoints", 201, json={"session": session})["checkpoint_id"]
    here.services["tool-executor"].kill()
    told = here.ask("POST", f"/v1/sessions/{session}/resume", json={})
    assert told["workspace"].startswith("not looked at: ")
    done = here.ask("POST", f"/v1/sessions/{session}/handoff", json={"note": "n"})
    assert any(what.startswith("workspace: ") for what in done["missing"])
    # What cannot be brought back whole leaves the session where it was: in the archive.
    here.ask("PATCH", f"/v1/sessions/{session}", json={"archived": True})
    before = here.ask("GET", f"/v1/sessions/{session}")
    wanted = {"exact": True, "checkpoint": made}
    dry = here.ask("POST", f"/v1/sessions/{session}/resume", json={**wanted, "dry_run": True})
    assert dry["unarchived"]
    here.ask("POST", f"/v1/sessions/{session}/resume", 503, json=wanted)
    here.ask("POST", f"/v1/checkpoints/{made}/pickup", 503, json={})
    assert here.ask("GET", f"/v1/sessions/{session}") == before


def test_a_checkpoint_of_another_session_is_refused(here: Appliance) -> None:
    one, other = here.session(), here.session()
    made = here.ask("POST", "/v1/checkpoints", 201, json={"session": other})
    wanted = {"checkpoint": made["checkpoint_id"]}
    reply = here.ask("POST", f"/v1/sessions/{one}/resume", 409, json=wanted)
    assert reply["error"]["code"] == "checkpoint.session_differs"


def test_a_branch_at_an_older_entry_has_the_files_of_that_time(here: Appliance) -> None:
    session = here.session()
    here.say(session, "one")
    place = here.files(session)
    (place / "plan").write_text("one\n")
    url = f"/v1/sessions/{session}/branches"
    early = here.ask("POST", url, 201, json={"name": "early", "message": 1})
    assert early["workspace"] == "branched"
    here.ask("POST", "/v1/checkpoints", 201, json={"session": session})
    made = here.ask("POST", "/v1/checkpoints", 201, json={"session": session})["checkpoint_id"]
    here.say(session, "two")
    (place / "plan").write_text("two\n")
    here.say(session, "three")
    then = here.ask("POST", url, 201, json={"name": "then", "message": 2})
    assert then["workspace"] == f"branched: the files of checkpoint {made}, 1 messages before"
    assert (here.files(session, "then") / "plan").read_text() == "one\n"
    for row in here.ask("GET", "/v1/checkpoints")["checkpoints"]:
        here.ask("DELETE", f"/v1/checkpoints/{row['checkpoint_id']}")
    now = here.ask("POST", url, 201, json={"name": "now", "message": 2})
    assert "as they are now, none of that time were kept" in now["workspace"]
    assert (here.files(session, "now") / "plan").read_text() == "two\n"


def test_files_that_a_call_uses_are_not_replaced(here: Appliance) -> None:
    session = here.session()
    here.say(session, "one")
    place = here.files(session)
    made = here.ask("POST", "/v1/checkpoints", 201, json={"session": session})["checkpoint_id"]
    (place / "later").write_text("stays\n")
    before = here.ask("GET", f"/v1/sessions/{session}")
    executor = here.services["tool-executor"]
    with executor.client as client:
        call = {"session": session, "tool": "bash", "background": True,
                "params": {"command": "touch begun; sleep 600"}}  # fmt: skip
        ident = client.post("/v1/tools/call", json=call).json()["id"]
        until((place / "begun").exists)
    url = f"/v1/checkpoints/{made}/restore"
    assert here.ask("POST", url, 409, json={})["error"]["code"] == "workspace.busy"
    assert here.ask("GET", f"/v1/sessions/{session}") == before
    assert (place / "later").read_text() == "stays\n"
    with executor.client as client:
        client.post(f"/v1/calls/{ident}/cancel", json={})
    here.ask("POST", url, json={})
    assert not (place / "later").exists()


def until(there: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
