"""The official SDKs cannot tell the proxy from the API: same face, same bytes; other face, same
types."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import anthropic
import httpx
import openai
import pytest

from meso_host.testing.model_api import ModelApi, running

KEY = "client-key-for-tests"
TOOLS = [
    {"name": "add", "description": "Add", "input_schema": {"type": "object", "properties": {}}},
    {"name": "now", "description": "Time", "input_schema": {"type": "object", "properties": {}}},
]
FUNCTIONS = [
    {"type": "function", "function": {"name": tool["name"], "parameters": tool["input_schema"]}}
    for tool in TOOLS
]
CALLS = 'CALL add {"a": 1, "b": [2, "drei"]} CALL now {}'


@dataclass
class Stage:
    """The proxy at a TCP address, and the API behind it."""

    url: str
    api: ModelApi
    proxy: Any


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def stage(shared_service: Any) -> Iterator[Stage]:
    port = free_port()
    with running() as api:
        settings = {
            "tcp_port": port,
            "clients": [{"name": "sdk", "key_sha256": hashlib.sha256(KEY.encode()).hexdigest()}],
            "upstreams": [
                {"name": "claude", "kind": "anthropic", "url": api.url, "models": ["claude-*"]},
                {"name": "gpt", "kind": "openai", "url": api.url, "models": ["gpt-*"]},
            ],
            "retry": {"attempts": 0},
            "limits": {"requests_per_minute": 0},
        }
        yield Stage(f"http://127.0.0.1:{port}", api, shared_service("api-proxy", settings))


def claude(url: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0)


def gpt(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0)


def messages(text: str) -> Any:
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("text", ["hello", CALLS, "SAY 3000"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"])
def test_the_same_face_is_the_same_byte_for_byte(
    stage: Stage, path: str, stream: bool, text: str
) -> None:
    body: dict[str, Any] = {"max_tokens": 100, "messages": messages(text), "stream": stream}
    mine = path == "/v1/messages"
    body |= (
        {"model": "claude-x", "tools": TOOLS} if mine else {"model": "gpt-x", "tools": FUNCTIONS}
    )
    raw = json.dumps(body, indent=1).encode()
    headers = {"x-api-key": KEY, "anthropic-beta": "a,b", "content-type": "application/json"}
    seen = []
    for url in (stage.api.url, stage.url):
        with httpx.Client() as client:
            reply = client.post(f"{url}{path}?beta=true", content=raw, headers=headers)
        asked = stage.api.asked[-1]
        kept = {n: v for n, v in reply.headers.items() if n in ("content-type", "request-id")}
        seen.append((reply.status_code, reply.content, kept, asked.raw, asked.path))
        assert asked.headers["anthropic-beta"] == "a,b"
    assert seen[0] == seen[1]


def test_our_own_key_does_not_travel(stage: Stage) -> None:
    claude(stage.url).messages.create(model="claude-x", max_tokens=5, messages=messages("hi"))
    assert KEY not in str(stage.api.asked[-1].headers)


def test_without_a_key_nothing_is_served_on_tcp(stage: Stage) -> None:
    before = len(stage.api.asked)
    with pytest.raises(anthropic.AuthenticationError):
        anthropic.Anthropic(base_url=stage.url, api_key="wrong", max_retries=0).messages.create(
            model="claude-x", max_tokens=5, messages=messages("hi")
        )
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=f"{stage.url}/v1", api_key="no", max_retries=0).models.list()
    for path in ("/healthz", "/openapi.json", "/v1/routes", "/v1/egress/grants"):
        assert httpx.get(f"{stage.url}{path}", headers={"x-api-key": KEY}).status_code == 404
    assert len(stage.api.asked) == before


Asker = Callable[[str, str], Any]


@pytest.mark.parametrize("model", ["claude-x", "gpt-x"])
def test_anthropic_sdk_with_tools_and_streaming(stage: Stage, model: str) -> None:
    """Through the same face and through the translation to chat completions."""
    sdk = claude(stage.url)
    ask = {"model": model, "max_tokens": 100, "tools": TOOLS, "messages": messages(CALLS)}
    whole = sdk.messages.create(**ask)  # type: ignore[arg-type]
    with sdk.messages.stream(**ask) as stream:  # type: ignore[arg-type]
        streamed = stream.get_final_message()
    for message in (whole, streamed):
        assert message.stop_reason == "tool_use"
        calls = [(block.name, block.input) for block in message.content if block.type == "tool_use"]
        assert calls == [("add", {"a": 1, "b": [2, "drei"]}), ("now", {})]
        assert message.usage.cache_read_input_tokens == 100
        assert message.usage.input_tokens == 25
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": f"result {number}"}
        for number, block in enumerate(whole.content)
        if block.type == "tool_use"
    ]
    turns = [
        *messages(CALLS),
        {"role": "assistant", "content": whole.content},
        {"role": "user", "content": results},
    ]
    after = sdk.messages.create(model=model, max_tokens=9, tools=TOOLS, messages=turns)  # type: ignore[arg-type]
    assert "result" in after.content[0].text  # type: ignore[union-attr]


@pytest.mark.parametrize("model", ["claude-x", "gpt-x"])
def test_openai_sdk_with_tools_and_streaming(stage: Stage, model: str) -> None:
    sdk = gpt(stage.url)
    ask: Any = {"model": model, "tools": FUNCTIONS, "messages": messages(CALLS)}
    whole = sdk.chat.completions.create(**ask)
    assert whole.choices[0].finish_reason == "tool_calls"
    calls = whole.choices[0].message.tool_calls
    assert [json.loads(c.function.arguments) for c in calls] == [{"a": 1, "b": [2, "drei"]}, {}]
    assert whole.usage.prompt_tokens == 130
    assert whole.usage.prompt_tokens_details.cached_tokens == 100
    with sdk.chat.completions.stream(**ask, stream_options={"include_usage": True}) as stream:
        final = stream.get_final_completion()
    streamed = final.choices[0].message.tool_calls
    assert [json.loads(c.function.arguments) for c in streamed] == [
        {"a": 1, "b": [2, "drei"]},
        {},
    ]
    assert final.usage.prompt_tokens == 130
    turns = [
        *messages(CALLS),
        whole.choices[0].message.model_dump(exclude_none=True),
        *({"role": "tool", "tool_call_id": call.id, "content": "result"} for call in calls),
    ]
    after = sdk.chat.completions.create(model=model, messages=turns, tools=FUNCTIONS)
    assert "result" in after.choices[0].message.content


@pytest.mark.parametrize("model", ["claude-x", "gpt-x"])
def test_long_outputs_come_whole_and_thinking_is_kept(stage: Stage, model: str) -> None:
    with claude(stage.url).messages.stream(
        model=model, max_tokens=9, messages=messages("SAY 5000")
    ) as stream:
        assert stream.get_final_text().split()[-1] == "word4999"
    chunks = gpt(stage.url).chat.completions.create(
        model=model, messages=messages("SAY 5000"), stream=True
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text.split()[-1] == "word4999"


def test_thinking_through_the_translation(stage: Stage) -> None:
    reply = gpt(stage.url).chat.completions.create(
        model="claude-x", messages=messages("hi"), reasoning_effort="high"
    )
    assert reply.choices[0].message.reasoning_content == "A short thought."
    asked = stage.api.asked[-1].body
    assert asked["thinking"] == {"type": "adaptive"}
    assert asked["output_config"] == {"effort": "high"}


@pytest.mark.parametrize("model", ["claude-x", "gpt-x"])
def test_cancelling_a_stream_ends_the_upstreams_work(stage: Stage, model: str) -> None:
    stage.api.pause = 0.05
    before = stage.api.cancelled
    try:
        with claude(stage.url).messages.stream(
            model=model, max_tokens=9, messages=messages("SAY 500")
        ) as stream:
            for _ in stream:
                break
        deadline = time.monotonic() + 5
        while stage.api.cancelled == before and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        stage.api.pause = 0.0
    assert stage.api.cancelled == before + 1


def test_events_are_not_held_back(stage: Stage) -> None:
    """Each event is here within a moment of its being sent: the gaps are those of the upstream."""
    stage.api.pause = 0.1
    try:
        began = time.monotonic()
        times = []
        with claude(stage.url).messages.stream(
            model="gpt-x", max_tokens=9, messages=messages("hello")
        ) as stream:
            for event in stream:
                if event.type == "text":
                    times.append(time.monotonic() - began)
    finally:
        stage.api.pause = 0.0
    assert len(times) >= 4
    assert times[-1] - times[0] > 0.25


def test_embeddings_models_and_counting(stage: Stage) -> None:
    sdk = gpt(stage.url)
    vectors = sdk.embeddings.create(model="gpt-embed", input=["ab", "c"], encoding_format="float")
    assert [item.embedding[0] for item in vectors.data] == [2.0, 1.0]
    assert list(sdk.models.list()) == []
    counted = claude(stage.url).messages.count_tokens(model="claude-x", messages=messages("hi"))
    assert counted.input_tokens == 42
    raw = claude(stage.url).messages.with_raw_response.count_tokens(
        model="gpt-x", messages=messages("hi")
    )
    assert raw.parse().input_tokens > 0
    assert raw.headers["x-meso-untranslated"] == "count_tokens is an estimate"


def test_what_cannot_be_said_is_an_error_of_the_sdk(stage: Stage) -> None:
    with pytest.raises(anthropic.BadRequestError, match="web_search"):
        claude(stage.url).messages.create(
            model="gpt-x",
            max_tokens=9,
            messages=messages("hi"),
            tools=[{"type": "web_search_20250305", "name": "web_search"}],
        )
    raw = gpt(stage.url).chat.completions.with_raw_response.create(
        model="claude-x", messages=messages("hi"), temperature=0.1, seed=1
    )
    assert set(raw.headers["x-meso-untranslated"].split(", ")) == {"temperature", "seed"}
