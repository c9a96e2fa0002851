"""Sessions between instances: over a directory, and over a command that stands for ssh."""

from __future__ import annotations

import gzip
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meso_cli import command
from meso_cli.output import CliError, Output
from meso_cli.verbs.session import peers, sync
from meso_services.contract.client import CallError, Connection
from tests.services.conftest import REPOSITORY, new_root, starter

FAR_END = """
import sys
from pathlib import Path
sys.path.insert(0, {repository!r})
from meso_cli import command
from meso_cli.output import Output
from meso_cli.verbs import session
from meso_services.contract import client
client.Connection.__init__.__defaults__ = (Path({run!r}),)
found = command.parse(sys.argv[2:])
try:
    sys.exit(session.run(found.request, Output(found.json)))
except client.CallError as problem:
    sys.exit(problem.code)
"""


class Instance:
    """One session manager, asked directly and through the verbs."""

    def __init__(self, begin: Any) -> None:
        self.service = begin("session-manager", {})

    def ask(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        with self.service.client as client:
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

    def refs(self, session: str) -> dict[str, str]:
        found = self.ask("GET", f"/v1/sessions/{session}/branches")["branches"]
        return {branch["name"]: branch["tip"] for branch in found}

    def sync(self, line: str, peer: Any = None, status: int = 0) -> dict[str, Any]:
        """What a verb did, as its JSON. `peer` takes the place of the one that the words name."""
        request = command.parse(["session", *line.split()]).request
        said = io.StringIO()
        with Connection("session-manager", self.service.socket.parent) as connection:
            if peer is None:
                assert sync.run(request, connection, Output(True, said)) == status
            else:
                here = peers.Here(connection)
                assert sync.synced(request, here, peer, Output(True, said)) == status
        found: dict[str, Any] = json.loads(said.getvalue())
        return found

    def seen_from_afar(self, place: Path) -> peers.Remote:
        script = place / f"far-{self.service.socket.parent.parent.parent.name}.py"
        script.write_text(
            FAR_END.format(repository=str(REPOSITORY), run=str(self.service.socket.parent))
        )
        return peers.Remote("there", [sys.executable, str(script)])


@pytest.fixture
def here(service: Any) -> Instance:
    return Instance(service)


@pytest.fixture
def there() -> Iterator[Instance]:
    with new_root() as root, starter(root) as begin:
        yield Instance(begin)


def test_what_diverged_becomes_branches_and_both_have_everything(
    here: Instance, there: Instance, tmp_path: Path
) -> None:
    session = here.session()
    here.say(session, "begin")
    stick = tmp_path / "stick"
    dry = here.sync(f"push {stick} --dry-run")
    assert (dry["sessions"][0]["created"], stick.exists()) == (True, False)
    here.sync(f"push {stick}")
    assert there.sync(f"pull {stick} --dry-run")["sessions"][0]["created"]
    assert there.ask("GET", "/v1/sessions")["sessions"] == []
    assert there.sync(f"pull {stick}")["sessions"][0]["entries"] == 1
    assert there.sync(f"pull {stick}")["sessions"] == []
    here.say(session, "here")
    there.say(session, "there")
    here.sync(f"push {stick}")
    there.sync(f"push {stick}")
    before = there.refs(session)
    dry = there.sync(f"pull {stick} --dry-run")
    assert there.refs(session) == before
    done = there.sync(f"pull {stick}")
    assert dry["sessions"][0]["branches"] == done["sessions"][0]["branches"]
    (branch,) = done["sessions"][0]["branches"]
    assert (branch["theirs"], branch["how"]) == ("main", "beside")
    assert there.texts(session) == ["begin", "there"]
    assert there.texts(session, branch=branch["name"]) == ["begin", "here"]
    here.sync(f"pull {stick}")
    assert here.texts(session) == ["begin", "here"]
    assert sorted(here.refs(session).values()) == sorted(there.refs(session).values())
    assert there.sync(f"push {stick}")["sessions"] == []
    assert len(list(stick.iterdir())) == 2
    there.say(session, "more")
    there.sync(f"push {stick}")
    # The newest file has all of both others.
    assert len(list(stick.iterdir())) == 1
    here.sync(f"pull {stick}")
    for one in (here, there):
        assert one.sync(f"pull {stick}")["sessions"] == []
        assert one.sync(f"push {stick}")["sessions"] == []


def test_the_same_over_ssh_and_a_merge_there_comes_back(
    here: Instance, there: Instance, tmp_path: Path
) -> None:
    far = there.seen_from_afar(tmp_path)
    session = here.session()
    here.say(session, "begin")
    here.ask("PATCH", f"/v1/sessions/{session}/state", json={"set": {"secret": "mine"}})
    assert here.sync("push there", far)["sessions"][0]["created"]
    assert there.ask("GET", f"/v1/sessions/{session}/state")["variables"] == {}
    here.say(session, "here")
    there.say(session, "there")
    here.sync("push there", far)
    theirs = next(name for name in there.refs(session) if name != "main")
    there.ask("POST", f"/v1/sessions/{session}/merge", json={"source": theirs})
    there.ask("POST", f"/v1/sessions/{session}/branches", 201, json={"name": "try", "switch": True})
    there.say(session, "tried")
    done = here.sync("pull there", far)["sessions"][0]["branches"]
    how = {branch["name"]: branch["how"] for branch in done}
    # The merge has what was said here, so main goes on; work here stays where it was.
    assert (how["main"], how["try"]) == ("forwarded", "new")
    assert {"begin", "here", "there"} == set(here.texts(session))
    assert here.ask("GET", f"/v1/sessions/{session}")["branch"] == "main"
    assert here.texts(session, branch="try")[-1] == "tried"
    assert here.ask("GET", f"/v1/sessions/{session}/state")["variables"] == {"secret": "mine"}
    assert here.sync("pull there", far)["sessions"] == []
    assert here.sync("push there", far)["sessions"] == []
    here.service.restart()
    refs = here.refs(session)
    here.service.stop()
    for path in (here.service.root / "meso/sessions/.index").iterdir():
        path.unlink()
    here.service.start()
    assert here.refs(session) == refs


def test_archives_go_both_ways_and_what_was_deleted_stays_so(
    here: Instance, there: Instance, tmp_path: Path
) -> None:
    far = there.seen_from_afar(tmp_path)
    mine, open_one, theirs = here.session(), here.session(), there.session()
    for one, session in ((here, mine), (there, theirs)):
        one.say(session, "old")
        one.ask("PATCH", f"/v1/sessions/{session}", json={"archived": True})
    done = here.sync("sync-archive there", far)["sessions"]
    assert {(one["way"], one["session"]) for one in done} == {("pull", theirs), ("push", mine)}
    for one in (here, there):
        for session in (mine, theirs):
            assert one.ask("GET", f"/v1/sessions/{session}")["archived"]
    there.ask("GET", f"/v1/sessions/{open_one}", 404)
    code = here.ask("DELETE", f"/v1/sessions/{theirs}", 409)["error"]["detail"]["confirm"]
    here.ask("DELETE", f"/v1/sessions/{theirs}", params={"confirm": code})
    (failed,) = here.sync("sync-archive there", far, status=1)["sessions"]
    assert failed["error"]["code"] == "session.deleted"
    here.ask("GET", f"/v1/sessions/{theirs}", 404)
    with pytest.raises(CliError) as caught:
        here.sync("push there unknown", far)
    assert caught.value.code == "session.not_found"


def sent(one: Instance, session: str, path: Path) -> Path:
    one.sync(f"send {session} {path}")
    return path


def test_a_spoiled_file_changes_nothing(here: Instance, there: Instance, tmp_path: Path) -> None:
    session = here.session()
    here.say(session, "begin")
    raw = sent(here, session, tmp_path / "f").read_bytes()
    whole = gzip.decompress(raw)
    for spoiled in (raw[:-9], gzip.compress(whole.replace(b"begin", b"began")), b"", b"foreign",
                    gzip.compress(b'{"kind":"other"}\n')):  # fmt: skip
        (tmp_path / "bad").write_bytes(spoiled)
        with pytest.raises(CallError) as caught:
            there.sync(f"receive {tmp_path / 'bad'}")
        assert caught.value.code == "transfer.damaged"
    assert there.ask("GET", "/v1/sessions")["sessions"] == []


def test_an_entry_that_says_something_else_is_refused(
    here: Instance, there: Instance, tmp_path: Path
) -> None:
    session = here.session()
    entry = here.say(session, "begin")
    there.sync(f"receive {sent(here, session, tmp_path / 'f')}")
    there.service.stop()
    (file,) = (there.service.root / "meso/sessions/main").glob(f"*_{session}.jsonl")
    file.write_text(file.read_text().replace("begin", "begun"))
    there.service.start()
    here.say(session, "more")
    with pytest.raises(CallError) as caught:
        there.sync(f"receive {sent(here, session, tmp_path / 'g')}")
    assert caught.value.code == "session.collision"
    assert caught.value.info.detail == {"entry": entry}
    assert there.texts(session) == ["begun"]
