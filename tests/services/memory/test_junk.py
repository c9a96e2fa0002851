"""No junk: one memory for what is nearly the same, nothing stored again, no flood, no secrets."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.services.memory.conftest import Memories


def test_near_duplicates_become_one_with_both_sources(memories: Memories) -> None:
    first = memories.write("The operator prefers metric units.", source="chat", tags=["a"])
    second = memories.write("the operator PREFERS metric units!", source="mind", tags=["b"])
    assert (second["created"], second["memory"]["id"]) == (False, first["memory"]["id"])
    memory = second["memory"]
    assert (memory["source"], memory["tags"]) == ("chat", ["a", "b"])
    assert [one["source"] for one in memory["also"]] == ["mind"]
    raw = (memories.directory / memory["path"]).read_text()
    assert yaml.safe_load(raw.split("---\n")[1])["also"][0]["source"] == "mind"
    assert len(list(memories.directory.rglob("*.md"))) == 1
    assert memories.kinds(memory["id"]) == ["born", "merged"]
    assert memories.commits(memory["id"])[0]["author"] == "mind"


def test_the_fuller_text_stays(memories: Memories) -> None:
    short = "The operator prefers metric units in all technical documents"
    first = memories.write(short, source="a")
    longer = memories.write(f"{short} always written", source="b")["memory"]
    assert (longer["id"], longer["content"].strip()) == (
        first["memory"]["id"], f"{short} always written",
    )  # fmt: skip
    assert memories.write(short, source="c")["memory"]["content"] == longer["content"]


@pytest.mark.parametrize(
    "pair",
    [
        ("Server 1 is in the cellar.", "Server 2 is in the cellar."),
        ("The operator likes tea.", "The operator likes coffee."),
        ("Alice beats Bob at chess.", "Bob beats Alice at chess."),
        ("Deploy on Fridays.", "Do not deploy on Fridays."),
        ("The port is 80.", "The port is 8080."),
    ],
)
def test_two_facts_stay_two(memories: Memories, pair: tuple[str, str]) -> None:
    one, other = (memories.write(text) for text in pair)
    assert one["memory"]["id"] != other["memory"]["id"]
    assert other["created"]


def test_what_was_forgotten_comes_back_as_itself(memories: Memories) -> None:
    name = memories.write("The spare key is under the mat.")["memory"]["id"]
    memories.post(f"/v1/memories/{name}/forget", {}, 200)
    again = memories.write("The spare key is under the mat.", source="agent")
    assert (again["created"], again["memory"]["id"]) == (False, name)
    assert not again["memory"]["forgotten"]
    assert memories.kinds(name) == ["born", "forgotten", "unforgotten", "merged"]


def test_text_from_memory_is_tagged_and_not_stored_again(memories: Memories) -> None:
    fact = "The boiler was serviced by the plumber from the next village in spring."
    name = memories.write(fact)["memory"]["id"]
    quote = memories.get("/v1/search", q="boiler")["hits"][0]["quote"]
    assert name in quote
    only = memories.write(quote, source="agent")
    assert (only["created"], only["memory"]["id"], only["recalled"]) == (False, name, [name])
    mixed = memories.write(f"New: the boiler leaks.\n\n{quote}\n", source="agent")
    assert mixed["created"]
    assert mixed["memory"]["content"].strip() == "New: the boiler leaks."
    bare = memories.write(f"So the chimney is next.\n\n{fact}", source="agent")
    assert (bare["recalled"], bare["memory"]["content"].strip()) == (
        [name], "So the chimney is next.",
    )  # fmt: skip
    assert len(memories.get("/v1/memories")["memories"]) == 3
    unknown = memories.post("/v1/memories", {"content": "[memory gone-1]\nx\n[/memory]"}, 422)
    assert unknown["error"]["code"] == "memory.recalled"


def test_a_source_that_floods_is_limited_and_others_are_not(service: Any) -> None:
    memories = Memories(service("memory-manager", {"source_per_minute": 6, "source_burst": 3}))
    statuses = []
    for number in range(5):
        body = {"content": f"Junk number{number} again.", "source": "loop"}
        reply = memories.running.client.post("/v1/memories", json=body)
        statuses.append(reply.status_code)
    assert statuses == [201, 201, 201, 429, 429]
    assert reply.json()["error"]["code"] == "memory.flood"
    assert 1 <= int(reply.headers["retry-after"]) <= 10
    assert memories.write("Something else.", source="operator")["created"]
    assert len(list(memories.directory.rglob("*.md"))) == 4


def test_many_names_do_not_get_around_the_limit(service: Any) -> None:
    memories = Memories(service("memory-manager", {"source_per_minute": 6, "source_burst": 2}))
    statuses = [
        memories.running.client.post(
            "/v1/memories", json={"content": f"Junk number{i}.", "source": f"name{i}"}
        ).status_code
        for i in range(12)
    ]
    assert statuses.count(201) <= 9
    assert statuses[-1] == 429


KEY = "sk-" + "a1B2" * 8


def test_secrets_are_masked(memories: Memories) -> None:
    written = memories.write(f"The key for the model is {KEY} as of today.")
    assert written["masked"]
    assert KEY not in str(written)
    memories.commits(written["memory"]["id"])
    every = b"".join(p.read_bytes() for p in memories.directory.rglob("*") if p.is_file())
    assert KEY.encode() not in every
    assert KEY not in memories.git("log", "-p", "--all")


def test_secrets_are_refused_if_so_configured(service: Any) -> None:
    memories = Memories(service("memory-manager", {"secrets": "refuse"}))
    reply = memories.post("/v1/memories", {"content": f"key: {KEY}"}, 422)
    assert reply["error"]["code"] == "memory.secret"
    assert KEY not in str(reply)
    assert list(memories.directory.rglob("*.md")) == []
    source = memories.post("/v1/memories", {"content": "a", "source": KEY}, 422)
    assert source["error"]["code"] == "memory.secret"
