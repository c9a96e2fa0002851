"""The protocol's paths: read, write and append where a person would look, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.services.memory.conftest import Memories


@pytest.fixture(scope="module")
def shared(shared_service: Any) -> Memories:
    return Memories(shared_service("memory-manager", {"rescan_seconds": 0, "source_per_minute": 0}))


def test_a_file_is_written_read_and_added_to(shared: Memories) -> None:
    path = "projects/Häuser & Höfe/notes.md"
    made = shared.put("/v1/files", {"path": path, "content": "# Notes\n\nThe first line.",
                                    "source": "agent", "tags": ["house"]})  # fmt: skip
    assert made.status_code == 201
    name = made.json()["memory"]["id"]
    more = {"path": path, "content": "A second line."}
    assert shared.running.client.post("/v1/files/append", json=more).status_code == 200
    memory = shared.get("/v1/files", path=path)
    assert memory["content"] == "# Notes\n\nThe first line.\nA second line.\n"
    assert (memory["id"], memory["source"], memory["tags"]) == (name, "agent", ["house"])
    assert shared.found("second") == [name]
    again = shared.put("/v1/files", {"path": path, "content": "Only this."})
    assert again.status_code == 200
    assert again.json()["memory"]["id"] == name
    assert (shared.directory / path).read_text().endswith("---\n\nOnly this.\n")


def test_front_matter_of_a_person_stays(shared: Memories) -> None:
    file = shared.directory / "own.md"
    file.write_text("---\ntags: [mine]\nmood: calm\n---\n\nOld words.\n")
    shared.put("/v1/files", {"path": "own.md", "content": "New words."})
    raw = file.read_text()
    assert "mood: calm" in raw
    assert "New words." in raw
    (shared.directory / "bare.md").write_text("No head at all.\n")
    name = shared.get("/v1/files", path="bare.md")["id"]
    added = shared.running.client.post(
        "/v1/files/append", json={"path": "bare.md", "content": "More of it."}
    )
    assert added.json()["memory"]["id"] == name


def test_a_lost_update_is_refused(shared: Memories) -> None:
    first = shared.put("/v1/files", {"path": "race.md", "content": "one"}).json()["memory"]
    wish = {"path": "race.md", "content": "two", "if_sha256": first["sha256"]}
    assert shared.put("/v1/files", wish).status_code == 200
    late = shared.put("/v1/files", {**wish, "content": "three"})
    assert (late.status_code, late.json()["error"]["code"]) == (409, "memory.changed")
    new = {"path": "race-2.md", "content": "x", "if_sha256": "0" * 64}
    assert shared.put("/v1/files", new).status_code == 409


ESCAPES = [
    *("../x.md", "/etc/x.md", "a/../../x.md", "a/./x.md", "./x.md", "a//x.md", ".git/x.md"),
    *("a/.hidden.md", "x", "x.txt", "", ".md", "a\nb.md", "a\0b.md", "x.md/", "a/" * 600 + "x.md"),
    *("\x7f.md", "..%2f..%2fx.md/..", ".life/x.md"),
]


@pytest.mark.parametrize("path", ESCAPES)
def test_no_path_leads_elsewhere(shared: Memories, path: str) -> None:
    before = sorted(shared.running.root.rglob("*.md"))
    reply = shared.put("/v1/files", {"path": path, "content": "escaped"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "request.invalid")
    read = shared.running.client.get("/v1/files", params={"path": path})
    assert read.status_code == 422
    assert sorted(shared.running.root.rglob("*.md")) == before


def test_a_surrogate_in_a_path_is_refused(shared: Memories) -> None:
    raw = b'{"path": "\\ud800.md", "content": "x"}'
    head = {"content-type": "application/json"}
    reply = shared.running.client.put("/v1/files", content=raw, headers=head)
    assert reply.status_code == 422


def test_a_name_longer_than_any_file_system_takes(shared: Memories) -> None:
    reply = shared.put("/v1/files", {"path": "a" * 300 + ".md", "content": "x"})
    assert reply.status_code in (409, 422, 503)
    assert shared.running.client.get(
        "/v1/files", params={"path": "a" * 300 + ".md"}
    ).status_code in (404, 409, 422)


@pytest.mark.parametrize("way", ["file", "directory", "parent"])
def test_links_are_not_followed(shared: Memories, way: str) -> None:
    outside = shared.running.root / f"outside-{way}"
    outside.mkdir()
    (outside / "x.md").write_text("secret of somebody")
    match way:
        case "file":
            (shared.directory / "link-file.md").symlink_to(outside / "x.md")
            path = "link-file.md"
        case "directory":
            (shared.directory / "link-dir").symlink_to(outside)
            path = "link-dir/x.md"
        case _:
            (shared.directory / "link-deep").symlink_to(outside)
            path = "link-deep/new/x.md"
    read = shared.running.client.get("/v1/files", params={"path": path})
    assert read.status_code in (404, 409, 422)
    assert "somebody" not in read.text
    wrote = shared.put("/v1/files", {"path": path, "content": "mine now"})
    assert wrote.status_code in (409, 422)
    added = shared.running.client.post("/v1/files/append", json={"path": path, "content": "mine"})
    assert added.status_code in (409, 422)
    assert (outside / "x.md").read_text() == "secret of somebody"
    assert sorted(p.name for p in outside.iterdir()) == ["x.md"]


def test_the_archive_is_read_and_not_written(shared: Memories) -> None:
    name = shared.write("Bound for the archive.")["memory"]["id"]
    path = shared.post(f"/v1/memories/{name}/forget", {}, 200)["path"]
    assert shared.get("/v1/files", path=path)["forgotten"]
    wrote = shared.put("/v1/files", {"path": path, "content": "x"})
    assert (wrote.status_code, wrote.json()["error"]["code"]) == (409, "memory.archived")


def test_what_is_no_text_is_said(shared: Memories) -> None:
    (shared.directory / "binary.md").write_bytes(b"\x89PNG\xff\x00")
    read = shared.running.client.get("/v1/files", params={"path": "binary.md"})
    assert (read.status_code, read.json()["error"]["code"]) == (409, "memory.unreadable")
    wrote = shared.put("/v1/files", {"path": "binary.md", "content": "x"})
    assert wrote.status_code == 409
    assert (shared.directory / "binary.md").read_bytes() == b"\x89PNG\xff\x00"


def test_a_directory_in_the_way_is_said(shared: Memories) -> None:
    (shared.directory / "folder.md").mkdir()
    wrote = shared.put("/v1/files", {"path": "folder.md", "content": "x"})
    assert wrote.status_code in (409, 503)
    shared.put("/v1/files", {"path": "plain.md", "content": "y"})
    below = shared.put("/v1/files", {"path": "plain.md/x.md", "content": "x"})
    assert below.status_code in (409, 503)


def test_an_append_beyond_the_limit_changes_nothing(shared: Memories) -> None:
    shared.put("/v1/files", {"path": "long.md", "content": "x" * 60_000})
    added = shared.running.client.post(
        "/v1/files/append", json={"path": "long.md", "content": "y" * 10_000}
    )
    assert (added.status_code, added.json()["error"]["code"]) == (413, "memory.too_large")
    assert "y" not in shared.get("/v1/files", path="long.md")["content"]


def test_the_list_is_complete_page_by_page(service: Any) -> None:
    memories = Memories(service("memory-manager", {"source_per_minute": 0}))
    names = {memories.write(f"Item number{i}.", source=f"s{i % 2}", tags=[f"t{i % 3}"])
             ["memory"]["id"] for i in range(12)}  # fmt: skip
    found, after = [], None
    while True:
        query = {"limit": 5, **({"after": after} if after else {})}
        page = memories.get("/v1/memories", **query)
        found += [one["id"] for one in page["memories"]]
        if (after := page["next"]) is None:
            break
    assert found == sorted(names)
    assert len(memories.get("/v1/memories", source="s1", tag="t2")["memories"]) == 2


def test_reading_by_path_counts_as_use(shared: Memories) -> None:
    name = shared.put("/v1/files", {"path": "used.md", "content": "used"}).json()["memory"]["id"]
    shared.get("/v1/files", path="used.md", use=False)
    assert shared.kinds(name) == ["born"]
    shared.get("/v1/files", path="used.md")
    assert shared.kinds(name) == ["born", "read"]


def test_nothing_lies_outside(shared: Memories) -> None:
    found = {p.relative_to(shared.running.root).parts[0] for p in shared.running.root.rglob("*.md")
             if not any(part.startswith("outside") for part in p.parts)}  # fmt: skip
    assert found <= {"meso"}
    assert not Path("/etc/x.md").exists()
