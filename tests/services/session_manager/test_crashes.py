"""What the session manager promised survives kills, torn writes and a full disk."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from meso_host.testing import kills

KILLS = 6


def start_session(manager: Any) -> str:
    with manager.client as client:
        return client.post("/v1/sessions", json={}).json()["id"]


def entries_of(manager: Any, session: str) -> list[dict[str, Any]]:
    with manager.client as client:
        found, after = [], {}
        while True:
            page = client.get(
                f"/v1/sessions/{session}/entries", params={"limit": 1000, **after}
            ).json()
            found += page["entries"]
            if page["next"] is None:
                return found
            after = {"after": page["next"]}


def append(client: httpx.Client, session: str, number: int) -> str:
    entry = {"type": "custom", "data": {"number": number, "pad": "x" * (number % 3000)}}
    reply = client.post(f"/v1/sessions/{session}/entries", json=entry)
    reply.raise_for_status()
    return reply.json()["id"]


def file_of(root: Path, session: str) -> Path:
    (found,) = (root / "meso/sessions/main").glob(f"*_{session}.jsonl")
    return found


@pytest.mark.timeout(600)  # as many starts as kills: minutes on a busy computer
def test_kill_nine_during_appends_loses_no_acknowledged_entry(root: Path) -> None:
    """A sample of `./meso test soak kills`: three clients append, the process is killed."""
    tally = kills.campaign(root, lambda done: done < KILLS, seed=random.randrange(10**6))  # noqa: S311
    assert tally.failures == []
    assert tally.found >= tally.acknowledged >= KILLS


@pytest.mark.parametrize(
    "torn",
    [b'{"type":"custom","id":"ab', b"\0" * 700, b'{"id":1}\n\0\0\n', b'"text"\n', b"\xff\xfe\n"],
)
def test_a_torn_end_is_moved_aside_and_the_session_goes_on(
    service: Any, root: Path, torn: bytes
) -> None:
    """The good entries stay, the torn bytes are kept elsewhere, the next append fits on."""
    manager = service("session-manager")
    session = start_session(manager)
    with manager.client as client:
        kept = [append(client, session, number) for number in range(3)]
    manager.kill()
    with file_of(root, session).open("ab") as file:
        file.write(torn)
    manager.start()
    with manager.client as client:
        kept.append(append(client, session, 3))
    assert [entry["id"] for entry in entries_of(manager, session)] == kept
    (aside,) = (root / "meso/sessions/torn").iterdir()
    assert aside.read_bytes() == torn
    assert "moved the unreadable end of a session aside" in manager.log


def test_a_whole_last_line_without_its_line_break_is_kept(service: Any, root: Path) -> None:
    """A hand edit often ends that way; nothing of it may be lost."""
    manager = service("session-manager")
    session = start_session(manager)
    line = {"type": "custom", "id": "hand", "parentId": None, "timestamp": "t"}
    with file_of(root, session).open("a") as file:
        file.write(json.dumps(line))
    with manager.client as client:
        append(client, session, 1)
    first, second = entries_of(manager, session)
    assert (first["id"], second["parent_id"]) == ("hand", "hand")


def test_damage_in_the_middle_is_kept_skipped_and_counted(service: Any, root: Path) -> None:
    manager = service("session-manager")
    session = start_session(manager)
    with manager.client as client:
        append(client, session, 1)
        with file_of(root, session).open("ab") as file:
            file.write(b"not an entry\n")
            file.write(b'{"type":"custom","id":"after","parentId":null,"timestamp":"t"}\n')
        shown = client.get(f"/v1/sessions/{session}").json()
    assert (shown["entries"], shown["damaged_lines"]) == (2, 1)
    assert b"not an entry" in file_of(root, session).read_bytes()


@pytest.mark.parametrize("damage", ["gone", "garbage", "cut", "journal"])
def test_a_lost_index_costs_time_and_no_entry(service: Any, root: Path, damage: str) -> None:
    """It is derived: whatever happens to it, the session is what its file says."""
    manager = service("session-manager")
    session = start_session(manager)
    with manager.client as client:
        kept = [append(client, session, number) for number in range(20)]
        branch = {"name": "side", "at": kept[3]}
        client.post(f"/v1/sessions/{session}/branches", json=branch).raise_for_status()
        shown = client.get(f"/v1/sessions/{session}/branches").json()
    manager.stop()
    index = root / "meso/sessions/.index/index.sqlite"
    if damage == "gone":
        index.unlink()
    elif damage == "garbage":
        index.write_bytes(b"no database at all" * 1000)
    elif damage == "cut":
        index.write_bytes(index.read_bytes()[:9000])
    else:
        index.with_name(f"{index.name}-journal").write_bytes(b"\xff" * 5000)
    manager.start()
    with manager.client as client:
        for _ in range(3):
            reply = client.get(f"/v1/sessions/{session}/branches")
            if reply.status_code == 200:
                break
            assert reply.json()["error"]["code"] == "session.index_lost"
        assert reply.json() == shown
    assert [entry["id"] for entry in entries_of(manager, session)][:20] == kept


def test_what_was_not_indexed_at_a_kill_is_read_again(service: Any, root: Path) -> None:
    """Branches and keys too: the file says everything."""
    manager = service("session-manager")
    session = start_session(manager)
    with manager.client as client:
        first = append(client, session, 1)
        asked = {"name": "side", "at": first}
        key = {"Idempotency-Key": "branch-once"}
        url = f"/v1/sessions/{session}/branches"
        made = client.post(url, json=asked, headers=key).json()
    manager.kill()
    manager.start()
    with manager.client as client:
        again = client.post(url, json=asked, headers=key)
        assert (again.status_code, again.json()) == (201, made)
        names = [branch["name"] for branch in client.get(url).json()["branches"]]
    assert names == ["main", "side"]


@pytest.fixture
def small_disk(root: Path) -> Iterator[Path]:
    """A file system of 512 KiB at /meso/sessions, so that it can be filled for real."""
    place = root / "meso/sessions"
    place.mkdir(parents=True)
    mount = ["/usr/bin/mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)]
    if os.getuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["/usr/bin/umount", "-l", str(place)], check=True)


def test_a_full_disk_is_said_and_nothing_half_written_stays(
    service: Any, root: Path, small_disk: Path
) -> None:
    """507 with a hint; what was acknowledged stays; with room again it goes on."""
    manager = service("session-manager")
    session = start_session(manager)
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 380_000)
    acknowledged = []
    with manager.client as client:
        for number in range(200):
            entry = {"type": "custom", "data": {"number": number, "pad": "x" * 5000}}
            reply = client.post(f"/v1/sessions/{session}/entries", json=entry)
            if reply.status_code != 201:
                break
            acknowledged.append(reply.json()["id"])
        assert (reply.status_code, reply.json()["error"]["code"]) == (507, "storage.full")
        assert client.get("/healthz", params={"deep": 1}).json()["state"] != "ok"
        refused = client.post("/v1/sessions", json={"name": "x" * 1000})
        assert refused.status_code in (201, 507)
        assert [entry["id"] for entry in entries_of(manager, session)] == acknowledged
        filler.unlink()
        acknowledged.append(append(client, session, 1))
    assert [entry["id"] for entry in entries_of(manager, session)] == acknowledged
    leftovers = [p.name for p in (small_disk / "main").iterdir() if not p.name.endswith(".jsonl")]
    assert leftovers == []
