"""Memories are readable files; the index follows them, whatever happens to either."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture
def manager(service: Any) -> Any:
    """Edits by hand are looked for at every search."""
    return service("memory-manager", {"rescan_seconds": 0})


@pytest.fixture(scope="module")
def shared(shared_service: Any) -> Any:
    return shared_service("memory-manager")


def _write(manager: Any, content: str, **more: Any) -> Any:
    reply = manager.client.post("/v1/memories", json={"content": content, **more})
    assert reply.status_code in (200, 201), reply.text
    return reply.json()["memory"]


def _found(manager: Any, query: str) -> list[str]:
    reply = manager.client.get("/v1/search", params={"q": query})
    assert reply.status_code == 200, reply.text
    return [hit["id"] for hit in reply.json()["hits"]]


def _directory(manager: Any) -> Path:
    place: Path = manager.root / "meso/memory"
    return place


def _problems(manager: Any) -> str:
    health = manager.client.get("/healthz").json()
    return " ".join(check["detail"] for check in health["checks"] if not check["ok"])


def test_a_memory_is_a_file_that_a_person_can_read(manager: Any) -> None:
    memory = _write(manager, "Prefers metric units.\n", source="operator", tags=["units", "über"])
    raw = (_directory(manager) / memory["path"]).read_text()
    head, body = raw.split("---\n")[1:]
    assert yaml.safe_load(head)["id"] == memory["id"]
    assert yaml.safe_load(head)["source"] == "operator"
    assert yaml.safe_load(head)["tags"] == ["units", "über"]
    assert body.strip() == "Prefers metric units."
    assert re.fullmatch(r"\d{4}/\d\d/\d{8}-\d{6}-[0-9a-f]{8}\.md", memory["path"])
    assert manager.client.get(f"/v1/memories/{memory['id']}").json() == memory


def test_search_explains_its_results(manager: Any) -> None:
    both = _write(manager, "The operator prefers curated quality over anarchy.")
    one = _write(manager, "Quality of the microphone: poor.", tags=["audio"])
    _write(manager, "The router was replaced.")
    params = {"q": "curated QUALITY, quality audio?"}
    reply = manager.client.get("/v1/search", params=params).json()
    assert reply["words"] == ["curated", "quality", "audio"]
    assert reply["searched"] == 3
    hits = {hit["id"]: hit for hit in reply["hits"]}
    assert set(hits) == {both["id"], one["id"]}
    assert hits[both["id"]]["matched"] == ["curated", "quality"]
    assert hits[both["id"]]["missing"] == ["audio"]
    assert hits[one["id"]]["matched"] == ["quality", "audio"]
    assert "**curated** **quality**" in hits[both["id"]]["snippet"]
    scores = [hit["score"] for hit in reply["hits"]]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("query", ["preferring", "PREFERS", "cafe", "Café", "prefer OR", '"prefer'])
def test_words_are_found_in_other_forms_and_operators_mean_nothing(shared: Any, query: str) -> None:
    memory = _write(shared, "Prefers the café at the corner.")
    assert memory["id"] in _found(shared, query)


def test_the_same_memory_is_kept_once(shared: Any) -> None:
    body = {"content": "Only once, please.", "source": "operator", "tags": ["a"]}
    first = shared.client.post("/v1/memories", json=body)
    second = shared.client.post("/v1/memories", json={**body, "content": "Only once, please.\n"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["memory"] == second.json()["memory"]
    tagged = shared.client.post("/v1/memories", json={**body, "tags": ["b"]})
    assert tagged.status_code == 200
    assert tagged.json()["memory"]["id"] == first.json()["memory"]["id"]
    assert tagged.json()["memory"]["tags"] == ["a", "b"]


def test_an_edit_by_hand_is_noticed(manager: Any) -> None:
    memory = _write(manager, "The server is in the cellar.")
    file = _directory(manager) / memory["path"]
    file.write_text(file.read_text().replace("cellar", "attic"))
    assert _found(manager, "cellar") == []
    assert _found(manager, "attic") == [memory["id"]]
    renamed = _directory(manager) / "server.md"
    file.rename(renamed)
    assert _found(manager, "attic") == [memory["id"]]
    assert manager.client.get(f"/v1/memories/{memory['id']}").json()["path"] == "server.md"
    renamed.unlink()
    assert _found(manager, "attic") == []
    assert manager.client.get(f"/v1/memories/{memory['id']}").status_code == 404


def test_an_edit_of_equal_size_and_time_is_noticed_by_its_replacement(manager: Any) -> None:
    memory = _write(manager, "aaaa")
    file = _directory(manager) / memory["path"]
    before = file.stat()
    other = file.with_name("new")
    other.write_text(file.read_text().replace("aaaa", "bbbb"))
    other.replace(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert _found(manager, "bbbb") == [memory["id"]]


def test_a_file_written_by_hand_needs_no_front_matter(manager: Any) -> None:
    (_directory(manager) / "decisions").mkdir()
    (_directory(manager) / "decisions/MEMORY.md").write_text("# Decisions\n\nWe chose podman.\n")
    (found,) = _found(manager, "podman")
    memory = manager.client.get(f"/v1/memories/{found}").json()
    assert memory["path"] == "decisions/MEMORY.md"
    assert (memory["created"], memory["source"], memory["tags"]) == (None, None, [])


@pytest.mark.parametrize(
    ("name", "raw", "findable", "problem"),
    [
        ("a.md", b"---\nid: [\n---\nalpha", True, "not valid YAML"),
        ("a.md", b"---\ntags: x\n---\nalpha", True, "tags: must be a list"),
        ("a.md", b"---\nid: ../../etc\n---\nalpha", True, "id: must be lower-case"),
        ("a.md", b"---\nalpha", True, "not closed"),
        ("a.md", b"alpha \xff\xfe", False, "is not UTF-8 at byte 6"),
        ("a.md", b"alpha " * 20_000, False, "is larger than 65536 bytes"),
        (b"\xff.md", b"alpha", False, "No such file"),
    ],
)
def test_a_broken_file_is_reported_and_used_as_far_as_it_goes(
    manager: Any, name: str | bytes, raw: bytes, findable: bool, problem: str
) -> None:
    Path(os.fsdecode(os.fsencode(_directory(manager)) + b"/" + os.fsencode(name))).write_bytes(raw)
    assert bool(_found(manager, "alpha")) is findable
    assert problem in _problems(manager)
    good = _write(manager, "beta")
    assert _found(manager, "beta") == [good["id"]]


def test_a_copied_file_does_not_take_the_id(manager: Any) -> None:
    memory = _write(manager, "gamma")
    file = _directory(manager) / memory["path"]
    copy = _directory(manager) / "copy.md"
    copy.write_bytes(file.read_bytes())
    assert _found(manager, "gamma") == [memory["id"]]
    assert "belongs to" in _problems(manager)
    file.unlink()
    assert _found(manager, "gamma") == [memory["id"]]
    assert manager.client.get(f"/v1/memories/{memory['id']}").json()["path"] == "copy.md"


def test_links_and_hidden_files_are_no_memories(manager: Any, root: Path) -> None:
    (root / "outside.md").write_text("delta")
    (_directory(manager) / "link.md").symlink_to(root / "outside.md")
    (_directory(manager) / "up").symlink_to(root)
    (_directory(manager) / ".hidden.md").write_text("delta")
    os.mkfifo(_directory(manager) / "pipe.md")
    assert _found(manager, "delta") == []


@pytest.mark.parametrize(
    "damage", ["missing", "garbage", "truncated", "other", "page", "directory"]
)
@pytest.mark.parametrize("name", ["files.sqlite3", "engine/words.sqlite3"])
def test_a_damaged_index_is_rebuilt_at_the_start(manager: Any, damage: str, name: str) -> None:
    memories = [_write(manager, f"number{i} epsilon") for i in range(20)]
    manager.stop()
    index = _directory(manager) / ".index" / name
    _damage(index, damage)
    manager.start()
    assert set(_found(manager, "number7 number12")) == {memories[7]["id"], memories[12]["id"]}


def test_a_damaged_index_is_rebuilt_while_running(manager: Any) -> None:
    memory = _write(manager, "zeta")
    for name in ("files.sqlite3", "engine/words.sqlite3"):
        _damage(_directory(manager) / ".index" / name, "garbage")
        assert _found(manager, "zeta") == [memory["id"]]
    (_directory(manager) / ".index/files.sqlite3").unlink()
    assert _found(manager, "zeta") == [memory["id"]]
    assert manager.client.get("/healthz").json()["state"] == "ok"


def _damage(index: Path, how: str) -> None:
    match how:
        case "missing":
            index.unlink()
        case "garbage":
            index.write_bytes(b"no database" * 1000)
        case "truncated":
            index.write_bytes(index.read_bytes()[:6000])
        case "other":
            index.unlink()
            connection = sqlite3.connect(index)
            connection.execute("PRAGMA user_version = 99")
            connection.execute("CREATE TABLE memories (x)")
            connection.close()
        case "page":
            raw = bytearray(index.read_bytes())
            raw[4096:8192] = b"\xa5" * 4096
            index.write_bytes(raw)
        case "directory":
            shutil.rmtree(index.parent)


def test_what_was_answered_survives_a_crash(manager: Any) -> None:
    memories = [_write(manager, f"theta{i}")["id"] for i in range(10)]
    manager.kill()
    manager.start()
    assert [_found(manager, f"theta{i}") for i in range(10)] == [[name] for name in memories]


def test_files_that_came_while_it_was_stopped_are_found(manager: Any) -> None:
    manager.stop()
    (_directory(manager) / "later.md").write_text("iota")
    manager.start()
    assert len(_found(manager, "iota")) == 1


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b'{"content": ""}', (422, "request.invalid")),
        (b'{"content": " \\n "}', (422, "memory.empty")),
        (b'{"content": "a\\u0000b"}', (422, "request.invalid")),
        (b'{"content": "\\ud800"}', (422, "request.invalid")),
        (b'{"content": "\xff"}', (400, "request.refused")),
        (b'{"content": "a", "tags": ["two words"]}', (422, "request.invalid")),
        (b'{"content": "a", "tags": ["../x\\n---"]}', (422, "request.invalid")),
        (b'{"content": "a", "source": "x\\ny: z"}', (422, "request.invalid")),
        (b'{"content": "a", "path": "/etc/passwd"}', (422, "request.invalid")),
        (b'{"content": "%s"}' % (b"x" * 70_000), (413, "memory.too_large")),
        (b'{"content": "%s"}' % (b"x" * (9 << 20)), (413, "request.too_large")),
    ],
)
def test_bad_memories_are_refused_with_a_code(
    shared: Any, body: bytes, outcome: tuple[int, str]
) -> None:
    headers = {"content-type": "application/json"}
    reply = shared.client.post("/v1/memories", content=body, headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == outcome


@pytest.mark.parametrize(
    ("path", "outcome"),
    [
        ("/v1/memories/20260101-000000-00000000", (404, "memory.not_found")),
        ("/v1/memories/..%2f..%2fetc%2fpasswd", (404, "request.no_such_route")),
        ("/v1/memories/..", (404, "request.no_such_route")),
        ("/v1/memories/.health", (422, "request.invalid")),
        ("/v1/memories/" + "a" * 100, (422, "request.invalid")),
        ("/v1/search", (422, "request.invalid")),
        ("/v1/search?q=%22%3F%21", (422, "memory.empty_query")),
        ("/v1/search?q=a&limit=0", (422, "request.invalid")),
        ("/v1/search?q=" + "a" * 3000, (422, "request.invalid")),
    ],
)
def test_bad_questions_are_refused_with_a_code(
    shared: Any, path: str, outcome: tuple[int, str]
) -> None:
    reply = shared.client.get(path)
    assert (reply.status_code, reply.json()["error"]["code"]) == outcome


def test_content_that_looks_like_front_matter_stays_content(shared: Any) -> None:
    content = "---\nid: stolen\ntags: [x]\n---\n\n# kappa\n"
    memory = _write(shared, content)
    assert shared.client.get(f"/v1/memories/{memory['id']}").json()["content"] == content
    assert shared.client.get("/v1/memories/stolen").status_code == 404


def test_the_health_check_leaves_nothing_behind(manager: Any) -> None:
    health = manager.client.get("/healthz?deep=1").json()
    assert health["state"] == "ok"
    assert [check["name"] for check in health["checks"]] == ["index", "files", "write"]
    assert _found(manager, "health probe") == []
    assert list(_directory(manager).rglob("*.md")) == []


def test_a_directory_that_cannot_be_written_is_said(service: Any, root: Path) -> None:
    """A file stands where the year's directory should be: an error, and nothing half-written."""
    manager = service("memory-manager")
    for year in range(2020, 2100):
        (_directory(manager) / str(year)).write_text("in the way")
    reply = manager.client.post("/v1/memories", json={"content": "lambda"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "storage.unwritable")
    assert _found(manager, "lambda") == []


@pytest.fixture
def small_disk(root: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    place = root / "meso/memory"
    place.mkdir(parents=True)
    subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", "size=1m", "none", place], check=True)
    yield place
    subprocess.run(["/bin/umount", "--lazy", place], check=True)


def test_a_full_disk_refuses_and_loses_nothing(small_disk: Path, service: Any) -> None:
    manager = service("memory-manager", {"rescan_seconds": 0})
    kept, outcome = [], (201, "")
    while outcome[0] == 201:
        body = {"content": f"mu{len(kept)} " + "padding " * 5000}
        reply = manager.client.post("/v1/memories", json=body)
        if reply.status_code == 201:
            kept.append(reply.json()["memory"]["id"])
        else:
            outcome = (reply.status_code, reply.json()["error"]["code"])
    assert outcome == (507, "storage.full")
    assert [_found(manager, f"mu{number}") for number in range(len(kept))] == [[n] for n in kept]
    assert len(list(small_disk.rglob("*.md"))) == len(kept) > 3
    (small_disk / "by-hand.md").write_bytes(b"nu " * 10)
    assert _found(manager, "mu1") == [kept[1]]
