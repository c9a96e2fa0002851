"""Two instances that diverge become one again: nothing is lost, and both have the same."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.services.conftest import new_root, starter
from tests.services.memory.conftest import Memories, eventually


@dataclass
class Pair:
    """Two instances and a bare repository between them."""

    one: Memories
    other: Memories
    bare: Path

    def sync(self) -> list[Any]:
        """Until both are settled, or it takes too long."""
        replies = []
        for _ in range(3):
            for memories in (self.one, self.other):
                replies.append(memories.post("/v1/sync", {"remote": str(self.bare)}, 200))
            if replies[-1]["head"] == replies[-2]["head"]:
                return replies
        raise AssertionError(f"they do not agree: {replies}")

    def contents(self) -> list[dict[str, bytes]]:
        return [
            {p.relative_to(m.directory).as_posix(): p.read_bytes()
             for p in m.directory.rglob("*.md")
             if not p.relative_to(m.directory).parts[0].startswith(".")}
            for m in (self.one, self.other)
        ]  # fmt: skip


GIT = shutil.which("git") or "git"
SETTINGS = {"rescan_seconds": 0, "watch_seconds": 0.5, "source_per_minute": 0}


@pytest.fixture
def pair() -> Iterator[Pair]:
    with new_root() as a, new_root() as b, new_root() as c, starter(a) as one, starter(b) as other:
        bare = c / "memory.git"
        subprocess.run([GIT, "init", "-q", "--bare", "-b", "main", bare], check=True)
        yield Pair(Memories(one("memory-manager", SETTINGS)),
                   Memories(other("memory-manager", SETTINGS)), bare)  # fmt: skip


def test_what_each_has_both_have_afterwards(pair: Pair) -> None:
    a = pair.one.write("The kettle is in the cupboard.")["memory"]["id"]
    b = pair.other.write("The garden has roses.")["memory"]["id"]
    pair.one.get(f"/v1/memories/{a}")
    first = pair.one.post("/v1/sync", {"remote": str(pair.bare), "dry_run": True}, 200)
    assert (first["given"], first["taken"]) == (1, 0)
    pair.sync()
    assert pair.one.found("roses") == [b]
    assert pair.other.found("kettle") == [a]
    one, other = pair.contents()
    assert one == other
    # Its life came along, and the head is the same commit on both sides.
    assert pair.other.kinds(a) == ["born", "read"]
    assert pair.other.get(f"/v1/memories/{a}/why")["strength"] == pytest.approx(
        pair.one.get(f"/v1/memories/{a}/why")["strength"], abs=1e-4
    )
    assert pair.one.git("rev-parse", "main") == pair.other.git("rev-parse", "main")
    assert pair.other.commits(a)[-1]["message"].startswith("write")
    again = pair.one.post("/v1/sync", {"remote": str(pair.bare)}, 200)
    assert (again["taken"], again["given"], again["settled"]) == (0, 0, True)


def test_two_edits_of_one_memory_keep_both_texts(pair: Pair) -> None:
    memory = pair.one.write("The tap drips.")["memory"]
    pair.sync()
    path = memory["path"]
    pair.one.put("/v1/files", {"path": path, "content": "The tap drips at night.", "tags": ["a"]})
    pair.other.put("/v1/files", {"path": path, "content": "The tap was repaired.", "tags": ["b"]})
    replies = pair.sync()
    assert [reply["conflicts"] for reply in replies].count([memory["id"]]) == 1
    one, other = pair.contents()
    assert one == other
    assert len(one) == 2
    texts = b"".join(one.values())
    assert b"drips at night" in texts
    assert b"was repaired" in texts
    assert memory["id"] in pair.one.found("tap")
    assert pair.one.get(f"/v1/memories/{memory['id']}", use=False)["tags"] == ["a", "b"]
    loser = [name for name in pair.one.found("tap") if name != memory["id"]]
    assert f"conflict_with: {memory['id']}" in texts.decode()
    assert loser


def test_forgotten_here_and_edited_there_stays_in_use(pair: Pair) -> None:
    kept = pair.one.write("The fence is green.")["memory"]
    gone = pair.one.write("The shed is full of pots.")["memory"]
    pair.sync()
    for memory in (kept, gone):
        pair.one.post(f"/v1/memories/{memory['id']}/forget", {}, 200)
    pair.other.put("/v1/files", {"path": kept["path"], "content": "The fence is painted blue."})
    pair.sync()
    assert pair.one.found("fence") == [kept["id"]]
    assert pair.other.found("shed") == []
    assert pair.contents()[0] == pair.contents()[1]
    assert f"archive/{gone['path']}" in pair.contents()[1]


def test_purged_on_one_side_is_gone_on_the_other(pair: Pair) -> None:
    name = pair.one.write("The xylophonic secret.")["memory"]["id"]
    other = pair.other.write("What stays.")["memory"]["id"]
    pair.sync()
    pair.one.post(f"/v1/memories/{name}/purge", {}, 200)
    pair.other.write("Written meanwhile.")
    replies = pair.sync()
    assert [name] in [reply["purged"] for reply in replies]
    for memories in (pair.one, pair.other):
        assert memories.found("xylophonic") == []
        assert other in memories.found("stays")
        for git in (memories.directory / ".git",):
            raw = subprocess.run(
                [GIT, f"--git-dir={git}", "-c", "safe.directory=*", "cat-file", "--batch",
                 "--batch-all-objects"], capture_output=True, check=True,
            ).stdout  # fmt: skip
            assert b"xylophonic" not in raw
    log = subprocess.run([GIT, f"--git-dir={pair.bare}", "log", "-p", "--all"],
                         capture_output=True, check=True).stdout  # fmt: skip
    assert b"xylophonic" not in log
    assert pair.contents()[0] == pair.contents()[1]


def test_another_instance_s_directory_is_a_remote(pair: Pair) -> None:
    a = pair.one.write("The kettle is in the cupboard.")["memory"]["id"]
    b = pair.other.write("The garden has roses.")["memory"]["id"]
    assert pair.other.commits(b)
    reply = pair.one.post("/v1/sync", {"remote": str(pair.other.directory)}, 200)
    assert reply["taken"] == 1
    assert pair.one.found("roses") == [b]
    eventually(lambda: pair.other.found("kettle") == [a])
    assert pair.contents()[0] == pair.contents()[1]


def test_what_no_memory_can_be_is_left_out(pair: Pair, tmp_path: Path) -> None:
    """A hostile repository: links, paths that lead out, hooks, huge and binary files."""
    pair.one.write("Here before.")
    pair.one.post("/v1/sync", {"remote": str(pair.bare)}, 200)
    work = tmp_path / "work"
    subprocess.run([GIT, "clone", "-q", pair.bare, work], check=True)
    (work / "link.md").symlink_to("/etc/passwd")
    (work / "huge.md").write_text("x" * 200_000)
    (work / "binary.md").write_bytes(b"\xff\xfe\x00")
    (work / ".gitattributes").write_text("* filter=evil")
    (work / ".instance").write_text("stolen")
    (work / "archive").mkdir(exist_ok=True)
    (work / "fine.md").write_text("A fine note about pears.")
    (work / ".life/evil").mkdir(parents=True, exist_ok=True)
    (work / ".life/evil/x.sh").write_text("#!/bin/sh")
    git = [GIT, "-C", str(work), "-c", "user.name=x", "-c", "user.email=x@y"]
    subprocess.run([*git, "add", "-A", "-f"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "evil"], check=True)
    subprocess.run([*git, "push", "-q", "origin", "main"], check=True)
    reply = pair.one.post("/v1/sync", {"remote": str(pair.bare)}, 200)
    assert (reply["taken"], reply["left_out"]) == (1, 6)
    assert len(pair.one.found("pears")) == 1
    for name in ("link.md", "huge.md", "binary.md", ".gitattributes", ".life/evil/x.sh"):
        assert not (pair.one.directory / name).exists()
        assert not (pair.one.directory / name).is_symlink()
    assert (pair.one.directory / ".instance").read_text() != "stolen"
    assert pair.one.running.client.get("/healthz").json()["state"] == "ok"


@pytest.mark.parametrize("remote", ["relative", "https://example.org/x", "/nowhere/at/all", "/"])
def test_what_is_no_repository_is_said(memories: Memories, remote: str) -> None:
    reply = memories.running.client.post("/v1/sync", json={"remote": remote})
    assert reply.json()["error"]["code"] == "memory.no_remote"


def test_a_sync_with_itself_is_refused(memories: Memories) -> None:
    memories.write("One.")
    reply = memories.post("/v1/sync", {"remote": str(memories.directory)}, 422)
    assert "itself" in reply["error"]["message"]


def test_a_crash_in_the_middle_of_a_sync_loses_nothing(pair: Pair) -> None:
    a = pair.one.write("The kettle is in the cupboard.")["memory"]
    pair.sync()
    pair.other.write("The garden has roses.")
    pair.other.post("/v1/sync", {"remote": str(pair.bare)}, 200)
    # As after a crash: a file of theirs is here, and git does not know it.
    theirs = next(p for p in pair.other.directory.glob("2*/*/*.md") if b"roses" in p.read_bytes())
    target = pair.one.directory / theirs.relative_to(pair.other.directory)
    pair.one.running.kill()
    shutil.copy(theirs, target)
    pair.one.running.start()
    pair.sync()
    assert len(pair.one.found("roses")) == 1
    assert pair.one.found("kettle") == [a["id"]]
    assert pair.contents()[0] == pair.contents()[1]
