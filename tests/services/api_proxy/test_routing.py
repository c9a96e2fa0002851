"""Routes: which upstream is asked, in which order, and what private content may do."""

from __future__ import annotations

from typing import Any

import pytest

from meso_host.testing.model_api import running


@pytest.fixture(scope="module")
def two(shared_service: Any) -> Any:
    """Two model servers: `home`, on this machine, and `cloud`, which counts as the internet."""
    with running() as home, running() as cloud:
        settings = {
            "upstreams": [
                {"name": "home", "kind": "openai", "url": home.url, "dialect": "ollama",
                 "models": ["qwen"], "cannot": ["images"], "context_tokens": 5000},
                {"name": "cloud", "kind": "anthropic", "url": cloud.url, "place": "internet",
                 "models": ["claude-*"]},
                {"name": "gone", "kind": "anthropic", "url": "http://127.0.0.1:9",
                 "place": "internet", "models": ["lost"]},
            ],
            "routes": [
                {"name": "private", "when": {"privacy": ["machine"]}, "to": ["home/qwen"]},
                {"name": "titles", "when": {"tasks": ["title"]}, "to": ["home/qwen", "cloud"]},
                {"name": "fallback", "when": {"models": ["lost"]},
                 "to": ["gone", "cloud/claude-second"]},
                {"name": "dynamic", "when": {"models": ["auto"]}, "prefer": "nearest",
                 "to": ["cloud/claude-big", "home/qwen"]},
            ],
            "private_clients": ["diary"],
            "retry": {"attempts": 0},
        }  # fmt: skip
        yield shared_service("api-proxy", settings), home, cloud


def ask(
    two: Any, model: str, headers: dict[str, str] | None = None, **more: Any
) -> tuple[Any, list[str], list[str]]:
    """The reply, and the models that home and cloud were asked for."""
    proxy, home, cloud = two
    home.asked.clear()
    cloud.asked.clear()
    body = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    with proxy.client as client:
        reply = client.post("/v1/messages", json=body | more, headers=headers or {})
    return reply, *([one.body["model"] for one in api.asked] for api in (home, cloud))


PICTURE = [
    {
        "role": "user",
        "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "x"}}
        ],
    }
]


def test_a_request_goes_to_who_names_its_model(two: Any) -> None:
    assert ask(two, "claude-x")[1:] == ([], ["claude-x"])
    assert ask(two, "qwen")[1:] == (["qwen"], [])


@pytest.mark.parametrize("how", ["header", "metadata", "both"])
def test_marked_content_never_leaves_the_machine(two: Any, how: str) -> None:
    headers = {"x-meso-privacy": "internet" if how == "both" else "machine"}
    more = {} if how == "header" else {"metadata": {"meso_privacy": "machine", "user_id": "u"}}
    reply, home, cloud = ask(two, "claude-x", headers if how != "metadata" else None, **more)
    assert (reply.status_code, home, cloud) == (200, ["qwen"], [])
    # What the machine cannot do is refused, not sent elsewhere after all.
    reply, home, cloud = ask(two, "claude-x", {"x-meso-privacy": "machine"}, messages=PICTURE)
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "proxy.private_nowhere")
    assert (home, cloud) == ([], [])
    assert reply.headers["x-should-retry"] == "false"


def test_a_fallback_does_not_break_the_mark(two: Any) -> None:
    """The title route ends in the cloud; a private title does not."""
    headers = {"x-meso-privacy": "machine", "x-meso-task": "title"}
    reply, home, cloud = ask(two, "claude-x", headers, max_tokens=5)
    assert (reply.status_code, home, cloud) == (200, ["qwen"], [])
    long = [{"role": "user", "content": "x" * 40_000}]
    reply, home, cloud = ask(two, "claude-x", headers, messages=long)
    assert (reply.status_code, home, cloud) == (403, [], [])


def test_our_marks_do_not_reach_an_upstream(two: Any) -> None:
    _, _, cloud = two
    metadata = {"meso_task": "chat", "user_id": "u"}
    ask(two, "claude-x", {"x-meso-session": "s1"}, metadata=metadata)
    (asked,) = cloud.asked
    assert asked.body["metadata"] == {"user_id": "u"}
    assert not any(name.startswith("x-meso") for name in asked.headers)


def test_a_mark_that_is_no_mark_is_refused(two: Any) -> None:
    reply, home, cloud = ask(two, "claude-x", {"x-meso-privacy": "please"})
    assert (reply.status_code, home, cloud) == (400, [], [])


def test_what_the_near_model_cannot_do_goes_farther(two: Any) -> None:
    """Dynamic: here if it can be done here, else by the API."""
    assert ask(two, "auto")[1:] == (["qwen"], [])
    assert ask(two, "auto", messages=PICTURE)[1:] == ([], ["claude-big"])
    long = [{"role": "user", "content": "x" * 40_000}]
    assert ask(two, "auto", messages=long)[1:] == ([], ["claude-big"])


def test_who_is_not_there_is_followed_by_the_next(two: Any) -> None:
    reply, home, cloud = ask(two, "lost")
    assert (reply.status_code, home, cloud) == (200, [], ["claude-second"])
    assert reply.headers["x-meso-upstream"] == "cloud"


def explain(two: Any, **asked: Any) -> dict[str, Any]:
    body = {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    asked["body"] = body | asked.get("body", {})
    with two[0].client as client:
        reply = client.post("/v1/explain", json=asked)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def test_explain_says_where_and_why_and_sends_nothing(two: Any) -> None:
    two[1].asked.clear()
    two[2].asked.clear()
    found = explain(two, face="anthropic")
    assert found["route"] == "dynamic"
    assert [(t["upstream"], t["model"]) for t in found["chain"]] == [
        ("home", "qwen"),
        ("cloud", "claude-big"),
    ]
    assert [t["translated"] for t in found["chain"]] == [True, False]
    said = {step["what"]: step["why"] for step in found["considered"]}
    assert said["route private"] == "the mark internet is none of machine"
    private = explain(two, client="diary", body={"messages": PICTURE, "system": "x"})
    assert (private["face"], private["privacy"], private["chain"]) == ("anthropic", "machine", [])
    assert "it cannot do images" in private["refused"]
    assert (two[1].asked, two[2].asked) == ([], [])


def test_explain_agrees_with_what_happens(two: Any) -> None:
    for model in ("auto", "lost", "qwen", "claude-x"):
        for headers in ({}, {"x-meso-task": "title"}, {"x-meso-privacy": "machine"}):
            chain = explain(two, face="anthropic", headers=headers, body={"model": model})["chain"]
            reply, home, cloud = ask(two, model, headers)
            served = reply.headers["x-meso-upstream"]
            assert served in [target["upstream"] for target in chain]
            if chain[0]["upstream"] != "gone":
                assert served == chain[0]["upstream"]
                assert [chain[0]["model"]] == home + cloud


def test_routes_and_upstreams_are_listed(two: Any) -> None:
    with two[0].client as client:
        found = client.get("/v1/routes").json()
        models = [model["id"] for model in client.get("/v1/models").json()["data"]]
        assert client.get("/v1/models/qwen").json()["owned_by"] == "home"
        assert client.get("/v1/models/nothing").status_code == 404
    assert [route["name"] for route in found["routes"]][-1] == "dynamic"
    places = {one["name"]: one["place"] for one in found["upstreams"]}
    assert places == {
        "home": "machine",
        "cloud": "internet",
        "gone": "internet",
        "embed": "machine",
    }
    assert models == ["lost", "auto", "qwen"]
