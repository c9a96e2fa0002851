"""A session as a git repository, by the services themselves and git's own programs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from meso_cli.command import parse
from meso_cli.git_history.export import Exported, asked, export
from meso_cli.output import CliError, Output
from meso_cli.verbs.session import run
from meso_services.contract.client import Connection
from meso_services.contract.tools import WorkspaceRef, WorkspaceReply

Export = Callable[..., Exported]


@pytest.fixture(scope="module")
def manager(shared_service: Any) -> Any:
    shared_service("tool-executor")
    return shared_service("session-manager")


class Talk:
    """A session, spoken to over the socket, and its repository."""

    def __init__(self, manager: Any, place: Path) -> None:
        self.manager, self.place, self.id = manager, place, ""
        self.id = self.ask("POST", "/v1/sessions", 201, json={})["id"]

    def ask(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        with self.manager.client as client:
            reply = client.request(method, path.replace("…", f"/v1/sessions/{self.id}"), **more)
        assert reply.status_code == status, (path, reply.text)
        return reply.json()

    def say(self, text: str, branch: str | None = None, role: str = "user", **more: Any) -> str:
        message = {"role": role, "content": [{"type": "text", "text": text}], **more}
        entry = {"type": "message", "data": {"message": message}}
        if branch:
            entry["branch"] = branch
        return str(self.ask("POST", "…/entries", 201, json=entry)["id"])

    def export(self) -> Exported:
        sockets = self.manager.root / "run/meso"
        with (
            Connection("session-manager", sockets) as manager,
            Connection("tool-executor", sockets) as executor,
        ):
            return export(self.id, asked(self.id, manager, executor), self.place)

    def git(self, *words: str) -> str:
        argv = ["git", "-C", str(self.place), *words]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def talk(manager: Any, tmp_path: Path) -> Iterator[Talk]:
    yield Talk(manager, tmp_path / "history")


def refused(talk: Talk) -> str:
    with pytest.raises(CliError) as error:
        talk.export()
    return error.value.code


def test_each_message_is_a_commit_and_each_branch_a_branch(talk: Talk) -> None:
    talk.say("What is in the left cupboard?")
    talk.say("The kettle.", role="assistant", model="claude-haiku-4.5")
    talk.ask("POST", "…/branches", 201, json={"name": "try", "message": 1})
    talk.say("And in the right one?", "try")
    made = talk.export()
    assert (made.commits, made.new, made.branches) == (3, 3, ("main", "try"))
    log = talk.git("log", "--format=%an|%s", "main").splitlines()
    assert log == ["claude-haiku-4.5|assistant: The kettle.",
                   "user|user: What is in the left cupboard?"]  # fmt: skip
    assert "And in the right one?" in talk.git("diff", "main", "try")
    assert talk.git("merge-base", "main", "try") == talk.git("rev-parse", "main~1")
    assert talk.git("fsck", "--strict") == ""
    assert "The kettle." in (talk.place / "conversation/000001.md").read_text()


def test_blame_and_bisect_find_the_message_that_said_it(talk: Talk) -> None:
    said = [talk.say(f"step {number}" + ", broken" * (number == 37)) for number in range(60)]
    talk.export()
    blamed = talk.git("blame", "-l", "conversation/000001.md").splitlines()
    commit = next(row.split()[0] for row in blamed if "step 37, broken" in row)
    trailer = "--format=%(trailers:key=Meso-Entry,valueonly)"
    assert talk.git("show", "-s", trailer, commit).strip() == said[37]
    talk.git("bisect", "start", "main", talk.git("rev-list", "--max-parents=0", "main").strip())
    found = talk.git("bisect", "run", "sh", "-c", "! grep -rq broken conversation")
    assert f"Meso-Entry: {said[37]}" in found
    talk.git("bisect", "reset")
    # Fifty messages a file, so that a long conversation costs a page a commit.
    names = talk.git("ls-tree", "--name-only", "main", "conversation/").split()
    assert names == ["conversation/000001.md", "conversation/000051.md"]


def test_a_merge_has_two_parents(talk: Talk) -> None:
    talk.say("common")
    talk.ask("POST", "…/branches", 201, json={"name": "try"})
    talk.say("mine")
    talk.say("theirs", "try")
    merged = {"source": "try", "target": "main", "strategy": "extract"}
    talk.ask("POST", "…/merge", json=merged)
    talk.export()
    parents = talk.git("log", "-1", "--min-parents=2", "--format=%P", "main").split()
    assert talk.git("rev-parse", "try").strip() in parents
    assert "mine" in talk.git("show", f"{parents[0]}:conversation/000001.md")


def test_files_stand_where_a_checkpoint_knows_them(talk: Talk) -> None:
    talk.say("make a file")
    place = WorkspaceRef(session=talk.id, branch="main")
    sockets = talk.manager.root / "run/meso"
    with Connection("tool-executor", sockets) as executor:
        executor.post("/v1/workspaces", place, WorkspaceReply)
    work = talk.manager.root / "meso/workspaces" / talk.id / "main"
    (work / "a.txt").write_text("first\n")
    talk.ask("POST", "/v1/checkpoints", 201, json={"session": talk.id, "name": "One: first"})
    talk.say("change it")
    talk.export()
    assert talk.git("show", "main:workspace/a.txt") == "first\n"
    assert talk.git("show", "checkpoint/One-first:workspace/a.txt") == "first\n"
    (work / "a.txt").write_text("second\n")
    # Its message has been exported, without these files: the tag is beside the branch.
    talk.ask("POST", "/v1/checkpoints", 201, json={"session": talk.id, "name": "two"})
    made = talk.export()
    assert (made.new, made.checkpoints) == (0, ("checkpoint/One-first", "checkpoint/two"))
    diff = talk.git("diff", "checkpoint/One-first", "checkpoint/two", "--", "workspace")
    assert "-first\n+second\n" in diff
    tag = talk.git("rev-parse", "checkpoint/two")
    talk.export()
    assert talk.git("rev-parse", "checkpoint/two") == tag


def test_again_only_what_is_new_comes_and_nothing_of_anybody_is_lost(talk: Talk) -> None:
    for number in range(3):
        talk.say(f"message {number}")
    talk.export()
    first = talk.git("rev-parse", "main").strip()
    talk.say("later")
    again = talk.export()
    assert (again.new, again.kept) == (1, [])
    assert talk.git("rev-parse", "main~1").strip() == first
    assert talk.export().new == 0
    # The branch goes back, so what it had is kept under a tag.
    later = talk.git("rev-parse", "main").strip()
    talk.ask("POST", "…/branches/main/reset", json={"message": 1, "of": "main"})
    kept = talk.export().kept
    assert [talk.git("rev-parse", name).strip() for name in kept] == [later]
    (talk.place / "conversation/000001.md").write_text("by hand\n")
    assert refused(talk) == "export.changed"
    assert (talk.place / "conversation/000001.md").read_text() == "by hand\n"


def test_a_directory_of_something_else_is_left_alone(talk: Talk, tmp_path: Path) -> None:
    talk.say("hello")
    talk.place.mkdir()
    (talk.place / "precious").write_text("mine")
    assert refused(talk) == "export.not_ours"
    assert (talk.place / "precious").read_text() == "mine"
    talk.place = tmp_path / "other"
    talk.export()
    other = Talk(talk.manager, talk.place)
    other.say("another session")
    assert refused(other) == "export.not_ours"


def test_names_and_texts_that_git_would_not_take(talk: Talk) -> None:
    talk.say("```\nfenced\n```\n\0 and \x1b[31m red <x> \udcff".replace("\0", "").replace(
        "\udcff", ""), role="user")  # fmt: skip
    for name in ("a..b", "x.lock", "end."):
        talk.ask("POST", "…/branches", 201, json={"name": name})
    made = talk.export()
    assert made.renamed == {"a..b": "a.-b", "x.lock": "x.lock-", "end.": "end.-"}
    assert set(talk.git("branch", "--format=%(refname:short)").split()) == {
        "main", *made.renamed.values()}  # fmt: skip


def test_the_verb_writes_it_and_says_what_it_wrote(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    talk.say("hello")
    sockets = talk.manager.root / "run/meso"
    monkeypatch.setattr("meso_cli.verbs.session.service", lambda n: Connection(n, sockets))
    monkeypatch.setattr("meso_cli.actions.service", lambda n: Connection(n, sockets))
    request = parse(["session", "export", talk.id[:8], "--git", str(talk.place)]).request
    assert run(request, Output()) == 0
    assert "1 new commits of 1, branches main" in capsys.readouterr().out
    assert run(request, Output(json=True)) == 0
    assert json.loads(capsys.readouterr().out)["new"] == 0
