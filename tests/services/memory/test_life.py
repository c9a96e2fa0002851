"""A memory fades, is strengthened, contradicted, forgotten and brought back; nothing is deleted."""

from __future__ import annotations

import json
import shutil
import time
from typing import Any

import pytest

from tests.services.memory.conftest import Memories


def _why(memories: Memories, name: str) -> Any:
    return memories.get(f"/v1/memories/{name}/why")


def _old(memories: Memories, text: str, days: int) -> str:
    """A memory that a person dated back."""
    then = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * 86400))
    name = f"old-{abs(hash(text)) % 10**8}"
    head = f"---\nid: {name}\ncreated: '{then}'\nsource: operator\ntags: []\n---\n\n"
    (memories.directory / f"{name}.md").write_text(head + text)
    return name


def test_strength_fades_with_age_and_use_strengthens(memories: Memories) -> None:
    name = _old(memories, "The old bridge was built of oak.", 60)
    before = _why(memories, name)
    assert before["strength"] == pytest.approx(0.25, rel=0.01)
    assert before["age_days"] == pytest.approx(60, rel=0.01)
    memories.get(f"/v1/memories/{name}")
    after = _why(memories, name)
    assert after["strength"] == pytest.approx(0.75, rel=0.01)
    assert (after["uses"], after["events"][-1]["kind"]) == (1, "read")
    memories.get(f"/v1/memories/{name}")
    assert _why(memories, name)["strength"] == pytest.approx(0.75, rel=0.01)
    assert "0.75" in after["explained"]


def test_being_found_counts_for_the_first_few_only_and_looking_can_be_quiet(
    memories: Memories,
) -> None:
    names = [memories.write(f"Lantern {word}.")["memory"]["id"]
             for word in ("alpha", "beta", "gamma", "delta", "epsilon")]  # fmt: skip
    memories.found("lantern")
    assert [_why(memories, name)["uses"] for name in names] == [0] * 5
    hits = [hit["id"] for hit in memories.get("/v1/search", q="lantern")["hits"]]
    used = [name for name in names if _why(memories, name)["uses"]]
    assert sorted(used) == sorted(hits[:3])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("The server is in the cellar.", "The server is in the attic."),
        ("The backup runs at 3:00.", "The backup runs at 4:30."),
        ("The operator likes tea.", "The operator does not like tea."),
        ("Logging is enabled.", "Logging is disabled."),
    ],
)
def test_the_contradicted_one_fades_faster(memories: Memories, old: str, new: str) -> None:
    first = memories.write(old, source="a")["memory"]["id"]
    reply = memories.write(new, source="b")
    second = reply["memory"]["id"]
    assert [one["id"] for one in reply["contradicts"]] == [first]
    assert reply["contradicts"][0]["why"]
    why = _why(memories, first)
    assert why["contradicted_by"] == [second]
    assert why["half_life_days"] == pytest.approx(7.5)
    assert "faster" in why["explained"]
    assert _why(memories, second)["contradicts"] == [first]
    assert _why(memories, second)["half_life_days"] == pytest.approx(30)
    memories.post(f"/v1/memories/{second}/forget", {"reason": "it was wrong"}, 200)
    assert _why(memories, first)["contradicted_by"] == []
    assert memories.kinds(first)[-1] == "reconciled"


def test_an_edit_ends_a_contradiction(memories: Memories) -> None:
    first = memories.write("The printer is in the hall.")["memory"]
    memories.write("The printer is in the kitchen.")
    assert _why(memories, first["id"])["contradicted_by"]
    memories.put("/v1/files", {"path": first["path"], "content": "The hall has new lamps."})
    assert _why(memories, first["id"])["contradicted_by"] == []


def test_forgotten_is_hidden_archived_and_readable(memories: Memories) -> None:
    memory = memories.write("The cat is called Minka.")["memory"]
    name = memory["id"]
    gone = memories.post(f"/v1/memories/{name}/forget", {"source": "op", "reason": "old"}, 200)
    assert (gone["forgotten"], gone["path"]) == (True, f"archive/{memory['path']}")
    assert memories.found("Minka") == []
    assert "Minka" in (memories.directory / gone["path"]).read_text()
    assert [m["id"] for m in memories.get("/v1/memories", forgotten=True)["memories"]] == [name]
    assert memories.get("/v1/memories")["memories"] == []
    why = _why(memories, name)
    assert (why["state"], why["events"][-1]["about"]) == ("forgotten", "old")
    assert memories.post(f"/v1/memories/{name}/forget", {}, 200) == gone
    back = memories.post(f"/v1/memories/{name}/unforget", {}, 200)
    assert back["path"] == memory["path"]
    assert memories.found("Minka") == [name]


def test_forgotten_by_moving_the_file(memories: Memories) -> None:
    memory = memories.write("The dog is called Bello.")["memory"]
    target = memories.directory / "archive" / memory["path"]
    target.parent.mkdir(parents=True)
    (memories.directory / memory["path"]).rename(target)
    assert memories.found("Bello") == []
    assert memories.kinds(memory["id"]) == ["born", "forgotten"]


def test_fade_archives_what_is_old_unused_and_weak(memories: Memories) -> None:
    weak = _old(memories, "A very old note about rope.", 120)
    used = _old(memories, "Another very old note about string.", 120)
    new = memories.write("A note about wire.")["memory"]["id"]
    memories.get(f"/v1/memories/{used}")
    wish = {"age_seconds": 30 * 86400, "dry_run": True}
    dry = memories.post("/v1/fade", wish, 200)
    assert [one["id"] for one in dry["faded"]] == [weak]
    assert len(memories.found("note")) == 3
    done = memories.post("/v1/fade", {**wish, "dry_run": False}, 200)
    assert [one["id"] for one in done["faded"]] == [weak]
    assert sorted(memories.found("note")) == sorted([used, new])
    assert (memories.directory / f"archive/{weak}.md").exists()
    assert memories.kinds(weak)[-1] == "faded"
    memories.post(f"/v1/memories/{weak}/unforget", {}, 200)
    assert memories.post("/v1/fade", {**wish, "dry_run": False}, 200)["faded"] == []


def test_a_life_outlives_the_index(memories: Memories) -> None:
    name = memories.write("The well is dry in August.")["memory"]["id"]
    memories.get(f"/v1/memories/{name}")
    before = _why(memories, name)["events"]
    assert [event["kind"] for event in before] == ["born", "read"]
    memories.running.stop()
    shutil.rmtree(memories.directory / ".index")
    memories.running.start()
    assert _why(memories, name)["events"] == before
    lines = "".join(f.read_text() for f in memories.directory.glob(".life/*/*.jsonl"))
    assert [json.loads(line)["kind"] for line in lines.splitlines()] == ["born", "read"]
    assert memories.get("/v1/stats")["events"] == 2


def test_parameters_apply_from_a_reload_on(memories: Memories) -> None:
    name = _old(memories, "The gate squeaks.", 10)
    memories.running.configure({"half_life_days": 10}, "test-2")
    memories.running.reload()
    assert _why(memories, name)["strength"] == pytest.approx(0.5, rel=0.01)
