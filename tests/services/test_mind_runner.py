"""A mind is a directory as the Logosphere's description says, to the letter."""

from __future__ import annotations

import concurrent.futures
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

SESSION = """\
iteration: 0
config:
  k_samples: 5
  active_pool_size: 50
  message_buffer_per_source: 10
  model: anthropic/claude-haiku-4.5
  token_limit: 4000
  embedding_model: openai/text-embedding-3-small
  embedding_dim: 1536
  min_cluster_size: 3
  centroid_match_threshold: 0.3
"""


@pytest.fixture
def runner(service: Any) -> Any:
    return service("mind-runner")


@pytest.fixture(scope="module")
def shared(shared_service: Any) -> Any:
    return shared_service("mind-runner")


def _create(runner: Any, name: str, prompt: str | None = None) -> Any:
    body = {"name": name} if prompt is None else {"name": name, "prompt": prompt}
    return runner.client.post("/v1/minds", json=body)


def _directory(runner: Any, name: str) -> Path:
    place: Path = runner.root / "meso/minds" / name
    return place


def _lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_mind_without_a_prompt_is_empty(shared: Any) -> None:
    reply = _create(shared, "empty")
    assert reply.status_code == 201
    place = _directory(shared, "empty")
    assert (place / "session.yaml").read_text() == SESSION
    assert sorted(path.name for path in place.iterdir()) == [
        *("clusters", "interventions.jsonl", "messages", "session.yaml", "thinking")
    ]
    assert reply.json()["message_pool"] == {"messages": 0, "by_source": {}}
    assert reply.json()["thinking_pool"] == {"thoughts": 0, "active": 0}
    assert [line["type"] for line in _lines(place / "interventions.jsonl")] == ["init"]


def test_a_prompt_is_the_first_message_and_is_audited(shared: Any) -> None:
    prompt = "What is worth thinking about?\n\nTake your time. ☃\u2028"
    assert _create(shared, "asked", prompt).status_code == 201
    place = _directory(shared, "asked")
    (message,) = _lines_of_jsonl(place / "messages/messages.jsonl")
    assert (message["source"], message["to"], message["text"]) == ("user", "mind_0", prompt)
    assert datetime.fromisoformat(message["time"]).tzinfo is not None
    audit = _lines_of_jsonl(place / "interventions.jsonl")
    assert [line["type"] for line in audit] == ["init", "message"]
    assert audit[1]["content"]["text"] == prompt
    found = shared.client.get("/v1/minds/asked").json()
    assert found["message_pool"] == {"messages": 1, "by_source": {"user": 1}}
    assert (found["iteration"], found["interventions"], found["clusters"]) == (0, 2, 0)


def _lines_of_jsonl(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


def test_the_configuration_is_what_the_file_says(shared: Any) -> None:
    _create(shared, "changed")
    file = _directory(shared, "changed") / "session.yaml"
    text = SESSION.replace("k_samples: 5", "k_samples: 7").replace("iteration: 0", "iteration: 3")
    file.write_text(text)
    found = shared.client.get("/v1/minds/changed").json()
    assert (found["iteration"], found["config"]["k_samples"]) == (3, 7)
    assert found["config"]["model"] == "anthropic/claude-haiku-4.5"


def test_minds_are_listed_by_name(runner: Any) -> None:
    for name in ("b", "a", "c-1"):
        _create(runner, name)
    listed = runner.client.get("/v1/minds").json()["minds"]
    assert [mind["name"] for mind in listed] == ["a", "b", "c-1"]
    runner.restart()
    assert runner.client.get("/v1/minds").json()["minds"] == listed


def test_a_name_is_taken_once_even_by_many_at_once(shared: Any) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda n: _create(shared, "wanted", f"I am {n}"), range(8)))
    statuses = sorted(reply.status_code for reply in replies)
    assert statuses == [201] + [409] * 7
    assert {r.json()["error"]["code"] for r in replies if r.status_code == 409} == {"mind.exists"}
    assert shared.client.get("/v1/minds/wanted").json()["message_pool"]["messages"] == 1


Damage = Callable[[Path], object]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda p: (p / "session.yaml").write_text("iteration: x"), "session.yaml: "),
        (lambda p: (p / "session.yaml").write_text(SESSION + "more: 1\n"), "more: unknown key"),
        (lambda p: (p / "session.yaml").write_bytes(b"\xff"), "is not UTF-8"),
        (
            lambda p: (p / "session.yaml").write_text(SESSION.replace("0.3", "-1")),
            "config.centroid_match_threshold: ",
        ),
        (lambda p: (p / "session.yaml").write_text("a: &a [*a]"), "aliases"),
        (lambda p: (p / "messages/messages.jsonl").write_text("{\n"), "line 1: is not JSON"),
        (lambda p: (p / "messages/messages.jsonl").write_text("[]\n"), "is not a JSON object"),
        (lambda p: (p / "interventions.jsonl").unlink(), "interventions.jsonl: No such file"),
        (lambda p: (p / "interventions.jsonl").write_text("[" * 99999 + "\n"), "is not JSON"),
    ],
)
def test_a_damaged_mind_is_said_and_the_others_work(
    runner: Any, damage: Damage, expected: str
) -> None:
    _create(runner, "good")
    _create(runner, "bad")
    damage(_directory(runner, "bad"))
    reply = runner.client.get("/v1/minds/bad")
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "mind.damaged")
    assert expected in reply.json()["error"]["message"]
    listed = {m["name"]: m["problem"] for m in runner.client.get("/v1/minds").json()["minds"]}
    assert listed["good"] == ""
    assert expected in listed["bad"]
    assert runner.client.get("/healthz").json()["state"] == "degraded"


def test_a_line_that_a_crash_cut_off_does_not_count(shared: Any) -> None:
    _create(shared, "torn", "hello")
    file = _directory(shared, "torn") / "messages/messages.jsonl"
    file.write_text(file.read_text() + '{"source": "us')
    assert shared.client.get("/v1/minds/torn").json()["message_pool"]["messages"] == 1


def test_what_a_crash_left_is_removed_at_the_start(runner: Any) -> None:
    runner.kill()
    leftover = _directory(runner, ".new-0123456789abcdef")
    (leftover / "thinking").mkdir(parents=True)
    runner.start()
    assert not leftover.exists()


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b'{"name": "../x"}', (422, "request.invalid")),
        (b'{"name": ".health-1"}', (422, "request.invalid")),
        (b'{"name": "a\\n"}', (422, "request.invalid")),
        (b'{"name": ""}', (422, "request.invalid")),
        (b'{"name": "%s"}' % (b"a" * 65), (422, "request.invalid")),
        (b'{"name": "x", "prompt": "a\\u0000"}', (422, "request.invalid")),
        (b'{"name": "x", "prompt": "\\udfff"}', (422, "request.invalid")),
        (b'{"name": "x", "prompt": "\xff"}', (400, "request.refused")),
        (b'{"name": "x", "config": {}}', (422, "request.invalid")),
        (b'{"name": "x", "prompt": "%s"}' % (b"a" * 200_001), (422, "request.invalid")),
        (b'{"name": "x", "prompt": "%s"}' % (b"a" * (9 << 20)), (413, "request.too_large")),
    ],
)
def test_bad_requests_are_refused_and_make_nothing(
    shared: Any, body: bytes, outcome: tuple[int, str]
) -> None:
    headers = {"content-type": "application/json"}
    reply = shared.client.post("/v1/minds", content=body, headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == outcome
    assert not _directory(shared, "x").exists()


@pytest.mark.parametrize(
    ("path", "outcome"),
    [
        ("/v1/minds/none", (404, "mind.not_found")),
        ("/v1/minds/..%2f..%2fetc", (404, "request.no_such_route")),
        ("/v1/minds/.new-1", (422, "request.invalid")),
    ],
)
def test_unknown_minds_are_refused(shared: Any, path: str, outcome: tuple[int, str]) -> None:
    reply = shared.client.get(path)
    assert (reply.status_code, reply.json()["error"]["code"]) == outcome


def test_deep_health_leaves_no_mind_behind(runner: Any) -> None:
    health = runner.client.get("/healthz?deep=1").json()
    assert health["state"] == "ok"
    assert [check["name"] for check in health["checks"]] == ["minds", "create"]
    assert list(_directory(runner, "").iterdir()) == []


def test_an_empty_mind_can_be_looked_at(shared: Any) -> None:
    """Pools, every analysis, and pictures, also of a mind without thoughts."""
    _create(shared, "looked", "Hello?")
    top = "/v1/minds/looked"
    pools = shared.client.get(f"{top}/pools").json()
    assert (pools["iteration"], pools["thoughts"], pools["drafts"]) == (0, [], [])
    assert [m["text"] for m in pools["messages"]] == ["Hello?"]
    for what in ("overview", "diversity", "novelty", "attractors", "clusters", "windows"):
        assert shared.client.get(f"{top}/analysis/{what}").status_code == 200
    impact = shared.client.get(f"{top}/analysis/impact").json()
    assert (impact["rows"], impact["answer"][0]["text"]) == (True, "Hello?")
    lineage = shared.client.get(f"{top}/analysis/lineage?of=message&number=0").json()
    assert lineage["answer"][0]["text"] == "Hello?"
    drawn = shared.client.get(f"{top}/plot", timeout=60).json()
    assert drawn["page"].startswith("<!doctype html>")
    assert sorted(drawn["pictures"]) == ["clusters", "diversity", "drift", "map"]


@pytest.mark.parametrize(
    ("path", "outcome"),
    [
        ("/analysis/dreams", (422, "request.invalid")),
        ("/analysis/diversity?points=0", (422, "request.invalid")),
        ("/analysis/lineage?of=thought&number=1", (404, "mind.no_such_thing")),
        ("/analysis/compare", (422, "mind.no_other")),
        ("/analysis/compare?other=nobody", (404, "mind.not_found")),
        ("/analysis/compare?other=../x", (422, "request.invalid")),
        ("/clusters/cluster_0", (404, "mind.no_such_cluster")),
    ],
)
def test_what_cannot_be_analysed_is_said(shared: Any, path: str, outcome: tuple[int, str]) -> None:
    _create(shared, "unclear")
    reply = shared.client.get(f"/v1/minds/unclear{path}")
    assert (reply.status_code, reply.json()["error"]["code"]) == outcome
    split = shared.client.post("/v1/minds/unclear/clusters/cluster_0/split", json={})
    assert (split.status_code, split.json()["error"]["code"]) == (404, "mind.no_such_cluster")


def test_a_mind_is_forked_by_the_service(shared: Any) -> None:
    _create(shared, "origin", "Hello?")
    made = shared.client.post("/v1/minds/origin/extract", json={"name": "fork"})
    assert (made.status_code, made.json()["iteration"]) == (201, 0)
    assert shared.client.get("/v1/minds/fork").json()["message_pool"]["messages"] == 1
    for body, outcome in (
        ({"name": "fork"}, (409, "mind.exists")),
        ({"name": "other", "first": 3}, (422, "mind.bad_range")),
        ({"name": "../x"}, (422, "request.invalid")),
    ):
        reply = shared.client.post("/v1/minds/origin/extract", json=body)
        assert (reply.status_code, reply.json()["error"]["code"]) == outcome
    assert shared.client.get("/v1/minds/origin/drafts?archive=true").json() == {"drafts": []}
