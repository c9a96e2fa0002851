"""Purged is gone: from files, index, history, copies and checkpoints; and it stays gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.services.memory.conftest import Memories, eventually

WORD = "xylophonic"


def _everything(place: Path) -> bytes:
    """All bytes below a directory; what git packed is unpacked."""
    raw = b"".join(p.read_bytes() for p in place.rglob("*") if p.is_file())
    git = place / ".git"
    if git.exists():
        argv = ["git", f"--git-dir={git}", "-c", "safe.directory=*", "cat-file", "--batch",
                "--batch-all-objects"]  # fmt: skip
        raw += subprocess.run(argv, capture_output=True, check=True).stdout
    return raw


def test_purged_is_gone_everywhere(memories: Memories) -> None:
    memory = memories.write(f"The {WORD} note.", source="a")["memory"]
    name, path = memory["id"], memory["path"]
    memories.put("/v1/files", {"path": path, "content": f"The {WORD} note, corrected."})
    memories.post(f"/v1/memories/{name}/forget", {}, 200)
    other = memories.write("What stays in the house.")["memory"]["id"]
    commits = len(memories.commits(name))
    assert WORD.encode() in _everything(memories.directory)
    receipt = memories.post(f"/v1/memories/{name}/purge", {"source": "op"}, 200)
    assert receipt["files"] == [f"archive/{path}"]
    assert (receipt["commits_rewritten"], len(receipt["hashes"])) == (commits, 2)
    assert "not reached" in receipt["checkpoints"]
    assert WORD.encode() not in _everything(memories.directory)
    why = memories.get(f"/v1/memories/{name}/why")
    assert (why["state"], why["events"][-1]["kind"]) == ("purged", "purged")
    assert memories.running.client.get(f"/v1/memories/{name}").status_code == 404
    assert memories.found("stays") == [other]
    assert len(memories.commits(other)) == 1
    kept = json.loads((memories.directory / f".receipts/{name}.json").read_text())
    assert kept == receipt
    assert memories.write("Afterwards, more is written.")["created"]


def test_a_restore_does_not_bring_it_back(memories: Memories) -> None:
    name = memories.write(f"The {WORD} note.")["memory"]["id"]
    other = memories.write("What stays in the house.")["memory"]["id"]
    snapshot = memories.get("/v1/snapshot")
    memories.post(f"/v1/memories/{name}/purge", {}, 200)
    token = "a" * 32
    wish = {"token": token, "mode": "checkpoint", "files": snapshot["files"]}
    assert memories.post("/v1/restores", wish, 200)["missing"] == []
    memories.post(f"/v1/restores/{token}/commit", {}, 200)
    assert memories.found(WORD) == []
    assert memories.found("stays") == [other]


def test_what_a_restore_put_aside_is_purged_too(memories: Memories) -> None:
    empty = memories.get("/v1/snapshot")
    name = memories.write(f"The {WORD} note.")["memory"]["id"]
    token = "b" * 32
    memories.post("/v1/restores", {"token": token, "mode": "checkpoint", "files": empty["files"]})
    memories.post(f"/v1/restores/{token}/commit", {}, 200)
    assert "before-restore-" + token in memories.git("tag")
    assert memories.kinds(name) == ["born", "restored"]
    receipt = memories.post(f"/v1/memories/{name}/purge", {}, 200)
    assert receipt["kept_copies"] == 1
    assert WORD.encode() not in _everything(memories.directory)


def test_a_purge_that_a_crash_interrupted_is_finished(memories: Memories) -> None:
    memory = memories.write(f"The {WORD} note.")["memory"]
    memories.commits(memory["id"])
    blob = memories.git("rev-parse", f"main:{memory['path']}").strip()
    memories.running.kill()
    plan = {"id": memory["id"], "by": "op", "time": 1.7e9, "paths": [memory["path"]],
            "blobs": [blob], "hashes": [memory["sha256"]]}  # fmt: skip
    (memories.directory / ".purge").mkdir()
    (memories.directory / f".purge/{memory['id']}.json").write_text(json.dumps(plan))
    memories.running.start()
    assert WORD.encode() not in _everything(memories.directory)
    assert list((memories.directory / ".purge").iterdir()) == []
    assert (memories.directory / f".receipts/{memory['id']}.json").exists()


def test_checkpoints_lose_it_by_tombstone(memories: Memories, service: Any) -> None:
    sessions = service("session-manager", {}).client
    name = memories.write(f"The {WORD} note.")["memory"]["id"]
    other = memories.write("What stays in the house.")["memory"]["id"]
    session = sessions.post("/v1/sessions", json={}).json()["id"]
    made = sessions.post("/v1/checkpoints", json={"session": session}).json()
    place = memories.running.root / "meso/checkpoints/memory"
    assert len(list(place.glob("??/*.gz"))) == 2
    receipt = memories.post(f"/v1/memories/{name}/purge", {}, 200)
    assert receipt["checkpoints"] == "1 versions removed from 1 checkpoints"
    assert len(list(place.glob("??/*.gz"))) == 1
    memories.post(f"/v1/memories/{other}/forget", {}, 200)
    path = f"/v1/checkpoints/{made['checkpoint_id']}"
    done = sessions.post(f"{path}/restore", json={"memory": "checkpoint"})
    assert done.status_code == 200, done.text
    assert memories.found("stays") == [other]
    assert memories.found(WORD) == []
    # An export has no bytes of it either, and can be taken in again.
    export = sessions.post(f"{path}/export").json()["transfer"]
    sessions.delete(path)
    again = sessions.post(f"/v1/transfers/{export}/checkpoint")
    assert again.status_code in (200, 201), again.text


def test_who_is_no_operator_cannot_purge(memories: Memories) -> None:
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    name = memories.write("Kept from nobody.")["memory"]["id"]
    program = (
        "import os, socket; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        f"s = socket.socket(socket.AF_UNIX); s.connect({str(memories.running.socket)!r})\n"
        f"s.sendall(b'POST /v1/memories/{name}/purge HTTP/1.1\\r\\nHost: m\\r\\n"
        "Content-Type: application/json\\r\\nContent-Length: 2\\r\\n"
        "Connection: close\\r\\n\\r\\n{}')\n"
        "print(s.recv(9999).decode())"
    )
    memories.running.socket.chmod(0o666)
    for parent in memories.running.socket.parents:
        if str(parent).startswith(str(memories.running.root)):
            parent.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert b" 403 " in done.stdout, done
    assert memories.found("nobody") == [name]


def test_a_history_with_many_references_is_cleaned(memories: Memories) -> None:
    """Tags and the commits that only they hold lose it too."""
    name = memories.write(f"The {WORD} note.")["memory"]["id"]
    memories.commits(name)
    memories.git("tag", "old")
    memories.git("branch", "side")
    memories.post(f"/v1/memories/{name}/purge", {}, 200)
    assert WORD.encode() not in _everything(memories.directory)
    assert {"old"} <= set(memories.git("tag").split())
    eventually(lambda: memories.write("More of it.")["memory"]["id"])
