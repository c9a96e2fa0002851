"""Words and meaning find memories; filters hold; what is derived can be lost at any moment."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import httpx
import pytest

from meso_host.setup import model as files
from tests.services.memory.conftest import Memories, eventually

TEXTS = {
    "feline": "The cat sleeps on the warm stove.",
    "pasta": "For dinner there was spaghetti with tomatoes.",
    "server": "The machine in the cellar runs Debian.",
}


def _filled(memories: Memories) -> dict[str, str]:
    return {key: memories.write(text, source=key, tags=["x", key])["memory"]["id"]
            for key, text in TEXTS.items()}  # fmt: skip


def _similar(memories: Memories, query: str) -> Any:
    return memories.get("/v1/search", q=query, use=False)["hits"]


def test_filters_of_date_source_and_tags(memories: Memories) -> None:
    names = _filled(memories)
    head = "---\nid: old-one\ncreated: '2020-05-01T12:00:00Z'\nsource: old\ntags: [x]\n---\n\n"
    (memories.directory / "old.md").write_text(head + "An old machine ran BSD.")

    def found(**query: Any) -> set[str]:
        hits = memories.get("/v1/search", q="the machine spaghetti cat", use=False, **query)["hits"]
        return {hit["id"] for hit in hits}

    assert found() == {*names.values(), "old-one"}
    assert found(until="2021-01-01") == {"old-one"}
    assert found(since="2021-01-01T00:00:00Z") == set(names.values())
    assert found(since="2020-05-01T14:00:00+02:00", until="2020-05-01T12:00:00Z") == {"old-one"}
    assert found(source="server") == {names["server"]}
    assert found(source=["server", "pasta"]) == {names["server"], names["pasta"]}
    assert found(tag=["x", "feline"]) == {names["feline"]}
    assert found(tag=["feline", "pasta"]) == set()
    reply = memories.running.client.get("/v1/search", params={"q": "a", "since": "yesterday"})
    assert reply.status_code == 422


def test_without_embeddings_words_find_and_it_is_said(memories: Memories) -> None:
    names = _filled(memories)
    reply = memories.get("/v1/search", q="spaghetti")
    assert [hit["id"] for hit in reply["hits"]] == [names["pasta"]]
    hit = reply["hits"][0]
    assert hit["similarity"] is None
    assert "embed" in reply["meaning"]
    assert hit["strength"] == pytest.approx(1, abs=0.01)
    assert hit["bm25"] > 0
    assert "words" in hit["why"]
    assert memories.get("/v1/stats")["without_vector"] == 3


def test_meaning_finds_what_shares_no_word(memories: Memories, service: Any) -> None:
    names = _filled(memories)
    place = files.bring(lambda _: None)
    service("embed", {}, environment={"MESO_MODEL": str(place)})
    eventually(lambda: memories.get("/v1/stats")["without_vector"] == 0)
    hits = _similar(memories, "kitten")
    assert hits[0]["id"] == names["feline"]
    assert hits[0]["matched"] == []
    assert hits[0]["similarity"] > hits[1]["similarity"]
    related = memories.post("/v1/related", {"text": "What do we eat tonight? Noodles?"}, 200)
    assert related["hits"][0]["id"] == names["pasta"]
    assert f"[memory {names['pasta']}]" in related["context"]
    other = memories.write("Kittens like to lie near a fire.")["memory"]["id"]
    near = memories.post("/v1/related", {"memory": names["feline"], "limit": 1}, 200)
    assert [hit["id"] for hit in near["hits"]] == [other]
    themes = memories.get("/v1/themes")
    assert len(themes["none"]) + sum(len(t["members"]) for t in themes["themes"]) == 4
    for form in ("png", "html"):
        assert memories.get("/v1/map", method="pca", format=form)["data"]


def test_themes_without_a_vector_say_why(memories: Memories) -> None:
    assert memories.get("/v1/themes") == {"themes": [], "none": [], "left_out": 0}
    _filled(memories)
    reply = memories.running.client.get("/v1/themes")
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "memory.no_vectors")


def test_another_model_builds_the_index_anew(memories: Memories) -> None:
    """Another dimension than the index's: nothing is lost, nothing has to be done by hand."""
    names = _filled(memories)
    memories.running.configure({"embedding_model": "other/model", "embedding_dim": 8}, "test-2")
    memories.running.reload()
    assert memories.found("spaghetti") == [names["pasta"]]
    stats = memories.get("/v1/stats")
    assert (stats["model"], stats["memories"], stats["without_vector"]) == ("other/model", 3, 3)
    memories.running.configure({}, "test-3")
    memories.running.restart()
    assert memories.found("spaghetti") == [names["pasta"]]


def test_reindex_and_a_kill_in_its_middle(service: Any) -> None:
    memories = Memories(service("memory-manager", {"rescan_seconds": 0}))
    for number in range(400):
        (memories.directory / f"n{number}.md").write_text(f"Fact number{number} about things.")
    assert len(memories.found("number17")) == 1
    assert memories.post("/v1/reindex", {}, 200)["memories"] == 400

    def reindex() -> None:
        client = memories.running.client
        with contextlib.suppress(httpx.HTTPError):  # it is killed
            client.post("/v1/reindex", json={})

    asking = threading.Thread(target=reindex)
    asking.start()
    asking.join(0.15)
    memories.running.kill()
    asking.join()
    memories.running.start()
    assert all(len(memories.found(f"number{n}")) == 1 for n in range(0, 400, 37))
    assert memories.get("/v1/stats")["memories"] == 400


def test_an_acknowledged_write_survives_a_kill_at_any_point(service: Any) -> None:
    memories = Memories(service("memory-manager", {"source_per_minute": 0}))
    acknowledged: list[tuple[str, int]] = []
    number = 0
    for pause in (0.02, 0.1, 0.33, 0.7):
        stop = threading.Event()

        def write(stop: threading.Event = stop) -> None:
            nonlocal number
            client = memories.running.client
            while not stop.is_set():
                number += 1
                try:
                    reply = client.post(
                        "/v1/memories",
                        json={"content": f"Fact number{number} here.", "source": f"s{number % 3}"},
                    )
                except httpx.HTTPError:  # it is killed
                    return
                if reply.status_code == 201:
                    acknowledged.append((reply.json()["memory"]["id"], number))

        writer = threading.Thread(target=write)
        writer.start()
        writer.join(pause)
        memories.running.kill()
        stop.set()
        writer.join()
        memories.running.start()
    assert acknowledged
    for name, fact in acknowledged:
        assert memories.found(f"number{fact}") == [name]
    sample = acknowledged[:: max(1, len(acknowledged) // 5)]
    for name, fact in sample:
        assert [c["author"] for c in memories.commits(name)] == [f"s{fact % 3}"]
        assert memories.kinds(name)[0] == "born"
    files = [p for p in memories.directory.rglob("*.md")]
    assert len(files) >= len(acknowledged)
