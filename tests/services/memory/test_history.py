"""Every change is a commit with its author; every version can be had again."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.services.memory.conftest import Memories, eventually


def test_every_change_is_a_commit_of_its_author(memories: Memories) -> None:
    name = memories.write("The kettle is red.", source="agent <x>\u2028")["memory"]["id"]
    path = memories.get(f"/v1/memories/{name}", use=False)["path"]
    memories.put(
        "/v1/files", {"path": path, "content": "The kettle is blue.", "source": "operator"}
    )
    commits = memories.commits(name)
    assert [one["message"].split()[0] for one in commits] == ["edited", "write"]
    assert [one["author"] for one in commits] == ["operator", "agent  x \u2028"]
    assert "blue" in memories.git("show", f"main:{path}")
    assert "Caller: " in memories.git("log", "-1", "--format=%b", "main", "--", path)


def test_an_edit_by_hand_is_committed_as_such(memories: Memories) -> None:
    memory = memories.write("The server is in the cellar.", source="agent")["memory"]
    file = memories.directory / memory["path"]
    file.write_text(file.read_text().replace("cellar", "attic"))
    assert memories.found("attic") == [memory["id"]]
    newest = memories.commits(memory["id"])[0]
    assert (newest["author"], newest["message"]) == ("by hand", "by hand: 1 file")
    file.rename(memories.directory / "server.md")
    assert memories.found("attic") == [memory["id"]]
    assert memories.commits(memory["id"])[0]["paths"] == sorted(["server.md", memory["path"]])
    (memories.directory / "server.md").unlink()
    assert memories.found("attic") == []
    assert memories.kinds(memory["id"]) == ["born", "edited", "edited", "gone"]
    memories.commits(memory["id"])
    assert "server.md" not in memories.git("ls-tree", "-r", "--name-only", "main")


def test_an_edit_by_hand_is_noticed_without_a_search(service: Any) -> None:
    memories = Memories(service("memory-manager", {"watch_seconds": 0.2}))
    (memories.directory / "note.md").write_text("Written with an editor.")
    eventually(lambda: (memories.directory / ".git/refs/heads/main").exists()
               and "note.md" in memories.git("ls-tree", "--name-only", "main"))  # fmt: skip


def test_a_memory_is_reverted_also_when_it_is_gone(memories: Memories) -> None:
    memory = memories.write("Alpha is one.")["memory"]
    name, path = memory["id"], memory["path"]
    memories.put("/v1/files", {"path": path, "content": "Alpha is another."})
    first = memories.commits(name)[-1]["commit"]
    back = memories.post(f"/v1/memories/{name}/revert", {}, 200)
    assert back["content"].strip() == "Alpha is one."
    memories.post(f"/v1/memories/{name}/revert", {}, 200)
    assert memories.found("another") == [name]
    (memories.directory / path).unlink()
    assert memories.found("alpha") == []
    again = memories.post(f"/v1/memories/{name}/revert", {"commit": first}, 200)
    assert (again["path"], again["content"].strip()) == (path, "Alpha is one.")
    assert memories.found("alpha") == [name]
    bad = memories.post(f"/v1/memories/{name}/revert", {"commit": "0" * 40}, 404)
    assert bad["error"]["code"] == "memory.no_commit"


def test_what_lies_among_the_memories_runs_nothing(memories: Memories, root: Path) -> None:
    """Attributes, hooks, aliases: nothing that a writer can put there has a meaning."""
    token = root / "ran"
    (memories.directory / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
    (memories.directory / "x.md").write_text("x\r\ny\r\n")
    (memories.directory / ".git").mkdir(exist_ok=True)
    hooks = memories.directory / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("post-commit", "reference-transaction", "pre-commit", "post-rewrite"):
        (hooks / hook).write_text(f"#!/bin/sh\ntouch {token}\n")
        (hooks / hook).chmod(0o755)
    name = memories.found("x")[0]
    memories.write("Another one.")
    assert len(memories.commits(name)) == 1
    assert memories.git("cat-file", "blob", "main:x.md") == "x\r\ny\r\n"
    assert not token.exists()


def test_a_crash_before_the_commit_is_made_up_for(memories: Memories) -> None:
    kept = [memories.write(f"Fact number{i} of many.", source=f"agent{i % 3}") for i in range(12)]
    memories.running.kill()
    lock = memories.directory / ".git/refs/heads/main.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    memories.running.start()
    for number, one in enumerate(kept):
        commits = memories.commits(one["memory"]["id"])
        assert [c["author"] for c in commits] == [f"agent{number % 3}"]
        assert memories.found(f"number{number}") == [one["memory"]["id"]]
        assert memories.kinds(one["memory"]["id"])[0] == "born"


def test_a_repository_that_is_gone_is_begun_anew(memories: Memories) -> None:
    name = memories.write("Kept in a file.")["memory"]["id"]
    memories.running.stop()
    subprocess.run(["/bin/rm", "-rf", memories.directory / ".git"], check=True)
    memories.running.start()
    assert len(memories.commits(name)) == 1
    assert memories.kinds(name) == ["born"]


@pytest.mark.parametrize("damage", ["HEAD", "objects", "refs"])
def test_a_damaged_repository_loses_no_memory(memories: Memories, damage: str) -> None:
    name = memories.write("Kept in a file all the same.")["memory"]["id"]
    memories.commits(name)
    place = memories.directory / ".git" / damage
    subprocess.run(["/bin/rm", "-rf", place], check=True)
    place.write_text("garbage")
    other = memories.write("Written afterwards, too.")["memory"]["id"]
    assert memories.found("afterwards") == [other]
    health = memories.running.client.get("/healthz").json()
    assert health["state"] in ("ok", "degraded")
    reply = memories.running.client.get(f"/v1/memories/{name}/history")
    assert reply.status_code in (200, 503)
