"""Requests in the other API's words: what the official types say, and back again unchanged."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from meso_services.api_proxy.translate.to_anthropic import messages_request
from meso_services.api_proxy.translate.to_chat import chat_request
from meso_services.api_proxy.upstreams.dialects import DIALECTS
from meso_services.api_proxy.upstreams.plan import UntranslatableError
from meso_services.runtime.errors import MesoError

from . import oracles
from .conversations import conversations

OPENAI = DIALECTS["openai"]
BUDGET = {"type": "enabled", "budget_tokens": 1024}
OFF = {"enable_thinking": False}


@settings(max_examples=60, deadline=None)
@given(conversations())
def test_a_conversation_survives_the_way_there_and_back(body: dict[str, Any]) -> None:
    chat = chat_request(body, "m", OPENAI)
    oracles.chat_request(chat.keys)
    back = messages_request(chat.keys, "m")
    oracles.messages_request(back.keys)
    assert back.keys == body
    assert (chat.left_out, back.left_out) == ((), ())


@settings(max_examples=60, deadline=None)
@given(conversations())
def test_every_dialect_takes_what_its_server_takes(body: dict[str, Any]) -> None:
    for name, dialect in DIALECTS.items():
        try:
            chat = chat_request(body, "m", dialect)
        except UntranslatableError as problem:
            assert (name, str(problem)) == ("ollama", "an image by url")
            continue
        oracles.chat_request(chat.keys)
        bounds = {"max_tokens", "max_completion_tokens"} & chat.keys.keys()
        assert bounds == {dialect.max_tokens}


@settings(max_examples=60, deadline=None)
@given(conversations())
def test_a_longer_conversation_begins_with_the_bytes_of_the_shorter_one(
    body: dict[str, Any],
) -> None:
    """What a provider keeps of a prompt stays usable: nothing before the new turn moves."""
    longer = body | {"messages": [*body["messages"], {"role": "user", "content": "and now?"}]}
    for translate in (
        lambda given: chat_request(given, "m", OPENAI),
        lambda given: messages_request(chat_request(given, "m", OPENAI).keys, "m"),
    ):
        short, long = translate(body).encode(), translate(longer).encode()
        assert short.endswith(b"]}")
        assert long.startswith(short.removesuffix(b"]}"))


def ask(**more: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]} | more


def test_parallel_results_follow_their_calls_in_one_message() -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": ""}}
    keys = {
        "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "tool_calls": [{"id": "a", **call}, {"id": "b", **call}]},
            {"role": "tool", "tool_call_id": "a", "content": "1"},
            {"role": "tool", "tool_call_id": "b", "content": "2"},
            {"role": "user", "content": "well?"},
        ]
    }
    back = messages_request(keys, "m").keys["messages"]
    assert [message["role"] for message in back] == ["user", "assistant", "user"]
    kinds = [part["type"] for part in back[2]["content"]]
    assert kinds == ["tool_result", "tool_result", "text"]
    assert back[1]["content"][0]["input"] == {}


def test_a_failed_tool_and_its_picture_are_not_lost() -> None:
    picture = {"type": "image", "source": {"type": "url", "url": "https://example.org/x.png"}}
    result = {"type": "tool_result", "tool_use_id": "a", "is_error": True}
    result["content"] = [{"type": "text", "text": "broke"}, picture]
    tool, user = chat_request(
        ask(messages=[{"role": "user", "content": [result]}]), "m", OPENAI
    ).keys["messages"]
    assert tool["content"].startswith("Error: broke")
    assert user["content"][0]["image_url"]["url"].endswith("x.png")


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
        ({"type": "auto"}, None),
    ],
)
def test_the_choice_of_a_tool_is_said_both_ways(choice: Any, said: Any) -> None:
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    choice = choice if choice["type"] == "none" else choice | {"disable_parallel_tool_use": True}
    body = ask(tools=tools, tool_choice=choice)
    chat = chat_request(body, "m", OPENAI).keys
    oracles.chat_request(chat)
    assert chat.get("tool_choice") == said
    assert messages_request(chat, "m").keys["tool_choice"] == choice


@pytest.mark.parametrize(
    ("name", "more", "expected"),
    [
        (
            "openai",
            {"thinking": BUDGET},
            ("reasoning_effort", "low"),
        ),
        ("openai", {"output_config": {"effort": "max"}}, ("reasoning_effort", "max")),
        (
            "openrouter",
            {"thinking": BUDGET},
            ("reasoning", {"max_tokens": 1024}),
        ),
        (
            "vllm",
            {"thinking": {"type": "disabled"}},
            ("chat_template_kwargs", {"enable_thinking": False}),
        ),
    ],
)
def test_thinking_is_asked_for_in_each_servers_way(name: str, more: Any, expected: Any) -> None:
    keys = chat_request(ask(**more), "m", DIALECTS[name]).keys
    assert keys[expected[0]] == expected[1]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (ask(tools=[{"type": "web_search_20250305", "name": "web_search"}]), "web_search"),
        (ask(mcp_servers=[{"name": "x"}]), "mcp_servers"),
        (ask(messages=[{"role": "user", "content": [{"type": "container_upload"}]}]), "container"),
        (ask(stop_sequences=list("abcde")), "stop_sequences"),
    ],
)
def test_what_cannot_be_said_in_chat_completions_is_refused(body: Any, words: str) -> None:
    with pytest.raises(UntranslatableError, match=words):
        chat_request(body, "m", OPENAI)


@pytest.mark.parametrize(
    "more",
    [
        {"n": 2},
        {"logprobs": True},
        {"response_format": {"type": "json_object"}},
        {"modalities": ["text", "audio"]},
        {"tools": [{"type": "custom", "custom": {"name": "x"}}]},
        {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
        {"messages": [{"role": "function", "content": "x", "name": "f"}]},
    ],
)
def test_what_cannot_be_said_in_messages_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(UntranslatableError):
        messages_request(ask(**more), "m")


def test_what_is_left_out_is_named() -> None:
    chat = chat_request(ask(context_management={}, top_k=3), "m", OPENAI)
    assert set(chat.left_out) == {"context_management", "top_k"}
    back = messages_request(ask(temperature=0.5, seed=1, top_p=None), "m")
    assert set(back.left_out) == {"temperature", "seed"}


@pytest.mark.parametrize(
    "messages", [None, [], "x", [3], [{"role": 3}], [{"role": "user", "content": 5}]]
)
def test_a_wrong_request_is_named_as_such(messages: Any) -> None:
    for translate in (lambda b: chat_request(b, "m", OPENAI), lambda b: messages_request(b, "m")):
        with pytest.raises(MesoError, match=r"request\.invalid"):
            translate(ask(messages=messages))


def test_structured_output_is_said_both_ways() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    body = ask(output_config={"format": {"type": "json_schema", "schema": schema}})
    chat = chat_request(body, "m", OPENAI).keys
    oracles.chat_request(chat)
    back = messages_request(chat, "m").keys
    assert back["output_config"] == body["output_config"]


def test_what_one_api_takes_and_the_other_refuses_is_not_passed_on() -> None:
    """The Messages API refuses an empty text, chat completions an assistant without a word."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    empty = {"type": "text", "text": ""}
    chat: list[dict[str, Any]] = [
        {"role": "system", "content": [empty]},
        {"role": "user", "content": [empty, {"type": "text", "text": "q"}]},
        {"role": "assistant", "content": [empty], "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": [empty]},
        {"role": "developer", "content": [empty]},
    ]
    asked = messages_request({"messages": chat}, "m").keys
    oracles.messages_request(asked)
    assert "system" not in asked
    assert asked["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "q"}]},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": []}]},
    ]
    thought = {"type": "thinking", "thinking": "…", "signature": "s"}
    silent = [{"role": "user", "content": "q"}, {"role": "assistant", "content": [thought]}]
    said = chat_request({"max_tokens": 5, "messages": silent}, "m", OPENAI).keys
    oracles.chat_request(said)
    assert said["messages"][1] == {"role": "assistant", "content": ""}


def test_documents_in_a_tools_result_are_said_as_text_or_follow_as_files() -> None:
    def document(kind: str, media: str, data: str) -> dict[str, Any]:
        source = {"type": kind, "media_type": media, "data": data}
        return {"type": "document", "source": source, "title": "t.pdf"}

    parts = [document("text", "text/plain", "words"), document("base64", "application/pdf", "QQ==")]
    result = {"type": "tool_result", "tool_use_id": "c", "content": parts}
    call = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
    body = {
        "max_tokens": 5,
        "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ],
    }
    said = chat_request(body, "m", OPENAI).keys
    oracles.chat_request(said)
    _, _, tool, user = said["messages"]
    assert tool["content"] == "t.pdf\n\nwords\n\n(file 1 of this result follows)"
    file = {"filename": "t.pdf", "file_data": "data:application/pdf;base64,QQ=="}
    assert user == {"role": "user", "content": [{"type": "file", "file": file}]}
