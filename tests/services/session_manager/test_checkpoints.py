"""Checkpoints with real neighbours: operon loader and memory manager beside the session manager."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from meso_services.session_manager import entries
from tests.services.conftest import REPOSITORY, new_root, starter

SEED_FIELDS = {
    *("checkpoint_id", "checkpoint_name", "timestamp", "created_by", "session", "identity"),
    *("memory_snapshot", "active_tasks", "context_summary", "operator_note"),
}


def genome(root: Path) -> None:
    place = root / "nix/store/test-1"
    for part in ("zooids", "operons"):
        shutil.copytree(REPOSITORY / "genome" / part, place / part)
    skip = shutil.ignore_patterns("zooids", "operons")
    shutil.copytree(REPOSITORY / "genome", place / "genome", ignore=skip)


@pytest.fixture
def agent(root: Path, service: Any) -> Any:
    """The three services of one appliance; the session manager last."""
    genome(root)
    names = ("operon-loader", "memory-manager", "session-manager")
    return tuple(service(name, {}) for name in names)


def ask(service: Any, method: str, path: str, status: int = 200, **more: Any) -> Any:
    with service.client as client:
        reply = client.request(method, path, **more)
        assert reply.status_code == status, (path, reply.text)
        return reply.json()


def refused(service: Any, method: str, path: str, **more: Any) -> tuple[int, str]:
    with service.client as client:
        reply = client.request(method, path, **more)
        return reply.status_code, reply.json()["error"]["code"]


def say(manager: Any, session: str, text: str) -> str:
    entry = {"type": "message", "data": {"message": {"role": "user", "content": text}}}
    return ask(manager, "POST", f"/v1/sessions/{session}/entries", 201, json=entry)["id"]


def remember(memory: Any, text: str) -> str:
    return ask(memory, "POST", "/v1/memories", 201, json={"content": text})["memory"]["path"]


def make(manager: Any, session: str, **more: Any) -> dict[str, Any]:
    wanted = {"session": session, "variables": True, **more}
    return ask(manager, "POST", "/v1/checkpoints", 201, json=wanted)


def start(manager: Any) -> tuple[str, str]:
    session = ask(manager, "POST", "/v1/sessions", 201, json={"name": "work"})["id"]
    say(manager, session, "first")
    task = {"subject": "water", "session": session, "metadata": {"bed": 3}}
    return session, ask(manager, "POST", "/v1/tasks", 201, json=task)["id"]


def texts(manager: Any, session: str, **params: Any) -> list[str]:
    found = ask(manager, "GET", f"/v1/sessions/{session}/context", params=params)
    return [b["text"] for m in found["messages"] for b in m["content"]]


def test_a_checkpoint_has_every_field_of_the_seed(agent: Any) -> None:
    loader, memory, manager = agent
    session, task = start(manager)
    path = remember(memory, "the hose is in the shed")
    made = make(manager, session, name="Before risky refactor", note="If it breaks, restore.")
    assert made.keys() >= SEED_FIELDS
    assert made["session"] == {
        "session_id": session,
        "branch_point": "message-index-1",
        "branch_name": "main",
        "message_count": 1,
    }
    identity = ask(loader, "GET", "/v1/identity")
    assert made["identity"]["genome_version"] == identity["parts"]["genome"]
    assert made["identity"]["operon_versions"] == identity["operon_versions"]
    assert made["identity"]["loaded_zooids"] == sorted(identity["zooid_versions"])
    (file,) = made["memory_snapshot"]["files"]
    assert file["path"] == path
    assert made["active_tasks"] == [
        {"task_id": task, "subject": "water", "status": "pending", "metadata": {"bed": 3}}
    ]
    assert "first" in made["context_summary"]
    assert made["meso"]["missing"] == [
        m for m in made["meso"]["missing"] if m.startswith("workspace")
    ]
    kept = manager.root / f"meso/checkpoints/{made['checkpoint_id']}.json.gz"
    assert json.loads(gzip.decompress(kept.read_bytes())) == made


def test_a_restore_brings_back_branch_tasks_variables_and_memory(agent: Any) -> None:
    _, memory, manager = agent
    session, task = start(manager)
    ask(manager, "PATCH", f"/v1/sessions/{session}/state", json={"set": {"mood": "good"}})
    path = remember(memory, "old knowledge")
    made = make(manager, session, name="then")
    later = say(manager, session, "second")
    ask(manager, "PATCH", f"/v1/tasks/{task}", json={"status": "completed", "subject": "done"})
    ask(manager, "PATCH", f"/v1/sessions/{session}/state", json={"set": {"mood": "bad", "x": 1}})
    newer = remember(memory, "new knowledge")
    (memory.root / "meso/memory" / path).write_text("---\nid: spoiled\n---\nspoiled\n")
    url = f"/v1/checkpoints/{made['checkpoint_id']}/restore"
    dry = ask(manager, "POST", url, json={"dry_run": True})
    assert texts(manager, session) == ["first", "second"]
    done = ask(manager, "POST", url, json={"memory": "checkpoint"})
    assert (done["identity"], dry["kept_branch"]) == ("same", done["kept_branch"])
    assert texts(manager, session) == ["first"]
    branches = ask(manager, "GET", f"/v1/sessions/{session}/branches")["branches"]
    assert {b["name"]: b["tip"] for b in branches}[done["kept_branch"]] != made["meso"]["tip"]
    assert texts(manager, session, branch=done["kept_branch"]) == ["first", "second"]
    assert later
    shown = ask(manager, "GET", f"/v1/tasks/{task}")
    assert (shown["subject"], shown["status"]) == ("water", "pending")
    assert ask(manager, "GET", f"/v1/sessions/{session}/state")["variables"] == {"mood": "good"}
    place = memory.root / "meso/memory"
    assert "old knowledge" in (place / path).read_text()
    assert not (place / newer).exists()
    (kept,) = (place / ".restored").iterdir()
    assert "new knowledge" in (kept / newer).read_text()
    assert "spoiled" in (kept / path).read_text()


def test_memory_stays_unless_asked_and_merge_only_adds(agent: Any) -> None:
    _, memory, manager = agent
    session, _ = start(manager)
    path = remember(memory, "old")
    made = make(manager, session)
    (memory.root / "meso/memory" / path).unlink()
    newer = remember(memory, "new")
    url = f"/v1/checkpoints/{made['checkpoint_id']}/restore"
    assert ask(manager, "POST", url, json={})["memory"] == "kept"
    assert not (memory.root / "meso/memory" / path).exists()
    ask(manager, "POST", url, json={"memory": "merge"})
    assert (memory.root / "meso/memory" / path).exists()
    assert (memory.root / "meso/memory" / newer).exists()


def test_a_restore_whose_memory_cannot_come_changes_nothing(agent: Any) -> None:
    _, memory, manager = agent
    session, _ = start(manager)
    remember(memory, "old")
    made = make(manager, session)
    say(manager, session, "second")
    before = ask(manager, "GET", f"/v1/sessions/{session}")
    memory.kill()
    url = f"/v1/checkpoints/{made['checkpoint_id']}/restore"
    code = refused(manager, "POST", url, json={"memory": "checkpoint"})
    assert code == (503, "service.unreachable")
    assert ask(manager, "GET", f"/v1/sessions/{session}") == before
    assert list((manager.root / "meso/checkpoints/.restores").iterdir()) == []


def test_what_a_crash_left_decided_is_finished_at_the_next_start(agent: Any) -> None:
    """The line in the session decides: memory was prepared, and follows it after the restart."""
    _, memory, manager = agent
    session, _ = start(manager)
    path = remember(memory, "old")
    made = make(manager, session)
    (memory.root / "meso/memory" / path).unlink()
    token = "a" * 32
    files = made["memory_snapshot"]["files"]
    prepared = {"token": token, "mode": "checkpoint", "files": files}
    ask(memory, "POST", "/v1/restores", json=prepared)
    blob = manager.root / "meso/checkpoints/memory" / files[0]["hash"][:2]
    raw = gzip.decompress((blob / f"{files[0]['hash']}.gz").read_bytes())
    given = {"hash": files[0]["hash"], "data": base64.b64encode(raw).decode()}
    ask(memory, "PUT", f"/v1/restores/{token}/files", json=given)
    manager.kill()
    (store,) = (manager.root / "meso/sessions/main").glob(f"*_{session}.jsonl")
    decided = {
        "type": "custom", "id": "decided", "parentId": made["meso"]["tip"], "timestamp": "t",
        "customType": "meso.restore",
        "data": {"checkpoint": made["checkpoint_id"], "token": token, "from": None},
        "meso": {"branch": "main"},
    }  # fmt: skip
    with store.open("a") as file:
        file.write(json.dumps(decided) + "\n")
    journal = manager.root / "meso/checkpoints/.restores"
    journal.mkdir(exist_ok=True)
    attempt = {"token": token, "checkpoint": made["checkpoint_id"], "session": session,
               "branch": "main", "memory": "checkpoint", "tasks": True, "before": None}  # fmt: skip
    (journal / f"{token}.json").write_text(json.dumps(attempt))
    undecided = {**attempt, "token": "b" * 32}
    (journal / f"{'b' * 32}.json").write_text(json.dumps(undecided))
    manager.start()
    assert "old" in (memory.root / "meso/memory" / path).read_text()
    assert list(journal.iterdir()) == []


def test_a_damaged_checkpoint_is_refused_and_said(agent: Any) -> None:
    _, _, manager = agent
    session, _ = start(manager)
    made = make(manager, session)
    path = manager.root / f"meso/checkpoints/{made['checkpoint_id']}.json.gz"
    changed = {**made, "operator_note": "other"}
    path.write_bytes(gzip.compress(json.dumps(changed).encode()))
    url = f"/v1/checkpoints/{made['checkpoint_id']}"
    assert refused(manager, "GET", url) == (409, "checkpoint.damaged")
    assert refused(manager, "POST", f"{url}/restore", json={}) == (409, "checkpoint.damaged")
    path.write_bytes(gzip.compress(json.dumps(made).encode())[:-9])
    assert refused(manager, "GET", url) == (409, "checkpoint.damaged")
    assert ask(manager, "GET", "/v1/checkpoints")["unreadable"] == [path.name]
    unknown = "0" * 8 + "-0000-0000-0000-" + "0" * 12
    assert refused(manager, "GET", f"/v1/checkpoints/{unknown}") == (404, "checkpoint.not_found")


def test_the_newest_nameless_ones_and_all_named_ones_are_kept(root: Path, service: Any) -> None:
    manager = service("session-manager", settings={"keep_checkpoints": 2})
    session, _ = start(manager)
    named = make(manager, session, name="stays")["checkpoint_id"]
    made = [make(manager, session)["checkpoint_id"] for _ in range(4)]
    rows = ask(manager, "GET", "/v1/checkpoints")["checkpoints"]
    assert [row["checkpoint_id"] for row in rows] == [named, *made[-2:]]
    ask(manager, "DELETE", f"/v1/checkpoints/{named}")
    assert refused(manager, "DELETE", f"/v1/checkpoints/{named}")[1] == "checkpoint.not_found"


def test_equal_memory_is_kept_once(agent: Any) -> None:
    _, memory, manager = agent
    session, _ = start(manager)
    remember(memory, "one")
    first = make(manager, session)
    second = make(manager, session)
    blobs = manager.root / "meso/checkpoints/memory"
    assert len(list(blobs.glob("??/*.gz"))) == 1
    ask(manager, "DELETE", f"/v1/checkpoints/{first['checkpoint_id']}")
    assert len(list(blobs.glob("??/*.gz"))) == 1
    ask(manager, "DELETE", f"/v1/checkpoints/{second['checkpoint_id']}")
    assert list(blobs.glob("??/*.gz")) == []


def fetch(manager: Any, ident: str) -> bytes:
    """Everything of an export, piece by piece."""
    carried = ask(manager, "POST", f"/v1/checkpoints/{ident}/export")
    raw, offset = b"", 0
    while offset is not None:
        url = f"/v1/transfers/{carried['transfer']}"
        piece = ask(manager, "GET", url, params={"offset": offset})
        raw += base64.b64decode(piece["data"])
        offset = piece["next"]
    assert len(raw) == carried["size"]
    return raw


def bring(manager: Any, raw: bytes) -> httpx.Response:
    """Bring an export, in two pieces."""
    transfer = ask(manager, "POST", "/v1/transfers", 201)["transfer"]
    half = len(raw) // 2
    for offset, part in ((0, raw[:half]), (half, raw[half:]), (half, raw[half:])):
        piece = {"offset": offset, "data": base64.b64encode(part).decode()}
        ask(manager, "PUT", f"/v1/transfers/{transfer}", json=piece)
    with manager.client as client:
        return client.post(f"/v1/transfers/{transfer}/checkpoint")


def test_a_piece_behind_the_end_is_empty(agent: Any) -> None:
    _, _, manager = agent
    transfer = ask(manager, "POST", "/v1/transfers", 201)["transfer"]
    reply = ask(manager, "GET", f"/v1/transfers/{transfer}", params={"offset": 2**53})
    assert reply == {"data": "", "next": None}


def test_an_export_restores_on_an_empty_machine(agent: Any) -> None:
    _, memory, manager = agent
    session, _ = start(manager)
    path = remember(memory, "carried along")
    made = make(manager, session, name="to go")
    raw = fetch(manager, made["checkpoint_id"])
    with new_root() as elsewhere, starter(elsewhere) as begin:
        other_memory, other = begin("memory-manager"), begin("session-manager")
        assert bring(other, raw).status_code == 201
        assert bring(other, raw).status_code == 200
        url = f"/v1/checkpoints/{made['checkpoint_id']}/restore"
        done = ask(other, "POST", url, json={"memory": "merge"})
        assert texts(other, session) == ["first"]
        assert done["identity"] == "unknown"
        (task,) = ask(other, "GET", "/v1/tasks")["tasks"]
        assert (task["subject"], task["session"]) == ("water", session)
        assert "carried along" in (other_memory.root / "meso/memory" / path).read_text()
        say(other, session, "went on")


def test_an_import_beside_another_history_becomes_a_branch(agent: Any) -> None:
    _, _, manager = agent
    session, _ = start(manager)
    with new_root() as elsewhere, starter(elsewhere) as begin:
        other = begin("session-manager")
        bring(other, fetch(manager, make(manager, session)["checkpoint_id"]))
        say(other, session, "there")
        raw = fetch(other, make(other, session)["checkpoint_id"])
    say(manager, session, "here")
    made = bring(manager, raw).json()
    name = f"imported-{made['checkpoint_id'][:8]}"
    assert texts(manager, session, branch=name) == ["first", "there"]
    assert texts(manager, session) == ["first", "here"]


@pytest.mark.parametrize("spoil", ["cut", "byte", "foreign", "bomb", "empty"])
def test_a_spoiled_import_is_refused_and_leaves_nothing(agent: Any, spoil: str) -> None:
    _, memory, manager = agent
    session, _ = start(manager)
    remember(memory, "kept")
    raw = fetch(manager, make(manager, session)["checkpoint_id"])
    whole = gzip.decompress(raw)
    spoiled = {
        "cut": raw[:-20],
        "byte": gzip.compress(whole.replace(b"first", b"worst")),
        "foreign": gzip.compress(b'{"kind":"other"}\n'),
        "bomb": gzip.compress(b"0" * (17 << 20)),
        "empty": b"",
    }[spoil]
    with new_root() as elsewhere, starter(elsewhere) as begin:
        other = begin("session-manager")
        reply = bring(other, spoiled)
        assert (reply.status_code, reply.json()["error"]["code"]) == (409, "checkpoint.damaged")
        assert ask(other, "GET", "/v1/sessions")["sessions"] == []
        assert ask(other, "GET", "/v1/checkpoints")["checkpoints"] == []


@pytest.fixture
def whole(agent: Any, service: Any) -> Any:
    """The tool executor beside them: the files belong to it."""
    return (*agent, service("tool-executor", {}))


def workspace(executor: Any, session: str, branch: str = "main") -> Path:
    with executor.client as client:
        client.post("/v1/workspaces", json={"session": session, "branch": branch})
    return executor.root / "meso/workspaces" / session / branch


def test_files_branch_merge_and_come_back_with_the_conversation(whole: Any) -> None:
    _, _, manager, executor = whole
    session, _ = start(manager)
    main = workspace(executor, session)
    (main / "notes").write_text("one\n")
    made = make(manager, session, name="with files")
    assert made["meso"]["missing"] == []
    url = f"/v1/sessions/{session}"
    done = ask(manager, "POST", f"{url}/branches", 201, json={"name": "side"})
    assert done["workspace"] == "branched"
    side = main.parent / "side"
    (side / "found").write_text("there\n")
    entry = {"type": "message", "branch": "side",
             "data": {"message": {"role": "user", "content": "look"}}}  # fmt: skip
    ask(manager, "POST", f"{url}/entries", 201, json=entry)
    merged = ask(manager, "POST", f"{url}/merge", json={"source": "side", "target": "main"})
    assert (merged["workspace"], (main / "found").read_text()) == ("merged", "there\n")
    (main / "notes").write_text("ours\n")
    (side / "notes").write_text("theirs\n")
    ask(manager, "POST", f"{url}/entries", 201, json=entry)
    merged = ask(manager, "POST", f"{url}/merge", json={"source": "side", "target": "main"})
    assert merged["workspace"] == "conflicts"
    assert [(c["kind"], c["name"]) for c in merged["conflicts"]] == [("file", "notes")]
    restore = f"/v1/checkpoints/{made['checkpoint_id']}/restore"
    done = ask(manager, "POST", restore, json={})
    assert done["workspace"] == "restored"
    assert {path.name for path in main.iterdir()} == {"notes"}
    assert (main / "notes").read_text() == "one\n"


def test_files_travel_with_an_export(whole: Any) -> None:
    _, _, manager, executor = whole
    session, _ = start(manager)
    (workspace(executor, session) / "notes").write_text("carried\n")
    # More than one piece.
    large = os.urandom(7 << 20)
    (workspace(executor, session) / "large").write_bytes(large)
    made = make(manager, session)
    raw = fetch(manager, made["checkpoint_id"])
    with new_root() as elsewhere, starter(elsewhere) as begin:
        other_executor, other = begin("tool-executor"), begin("session-manager")
        assert bring(other, raw).status_code == 201
        ask(other, "POST", f"/v1/checkpoints/{made['checkpoint_id']}/restore", json={})
        place = other_executor.root / "meso/workspaces" / session / "main"
        assert (place / "notes").read_text() == "carried\n"
        assert (place / "large").read_bytes() == large


def spoiled(raw: bytes, change: Any) -> bytes:
    """An export whose lines were changed by somebody who made the hash over them anew."""
    lines = change([json.loads(line) for line in gzip.decompress(raw).splitlines()[:-1]])
    written = [entries.encode(line) for line in lines]
    end = {"part": "end", "sha256": hashlib.sha256(b"".join(written)).hexdigest()}
    return gzip.compress(b"".join([*written, entries.encode(end)]))


def test_files_that_are_not_whole_are_not_taken_in(whole: Any) -> None:
    _, _, manager, executor = whole
    session, _ = start(manager)
    (workspace(executor, session) / "large").write_bytes(os.urandom(7 << 20))
    raw = fetch(manager, make(manager, session)["checkpoint_id"])

    def of_files(line: dict[str, Any]) -> bool:
        return bool(line.get("part") == "workspace")

    def first_gone(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        lines.remove(next(line for line in lines if of_files(line)))
        return lines

    def last_gone(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return lines[:-1] if of_files(lines[-1]) else lines

    def of_another(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for line in filter(of_files, lines):
            line["piece"]["session"] = "other"
        return lines

    with new_root() as elsewhere, starter(elsewhere) as begin:
        begin("tool-executor")
        other = begin("session-manager")
        for change in (first_gone, last_gone, of_another):
            reply = bring(other, spoiled(raw, change))
            assert (reply.status_code, reply.json()["error"]["code"]) == (
                409, "checkpoint.damaged")  # fmt: skip
        assert ask(other, "GET", "/v1/sessions")["sessions"] == []


def test_files_that_cannot_come_back_leave_everything_as_it_was(whole: Any) -> None:
    _, _, manager, executor = whole
    session, _ = start(manager)
    workspace(executor, session)
    made = make(manager, session)
    say(manager, session, "second")
    before = ask(manager, "GET", f"/v1/sessions/{session}")
    shadow = executor.root / "var/lib/meso/tool-executor/shadow" / f"{session}.git"
    shutil.rmtree(shadow)
    url = f"/v1/checkpoints/{made['checkpoint_id']}/restore"
    status, _ = refused(manager, "POST", url, json={})
    assert status in (404, 503)
    assert ask(manager, "GET", f"/v1/sessions/{session}") == before
