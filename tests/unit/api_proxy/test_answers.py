"""Answers and streams in the other API's words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meso_services.api_proxy.translate.sse import parsed
from meso_services.api_proxy.translate.to_chat_answer import ChatAnswers
from meso_services.api_proxy.translate.to_messages_answer import MessagesAnswers

from . import oracles
from .conversations import answers

Object = dict[str, Any]


@settings(max_examples=60, deadline=None)
@given(answers())
def test_an_answer_survives_the_way_there_and_back(answer: Object) -> None:
    oracles.message(answer)
    chat = ChatAnswers("m", usage=False).whole(answer)
    oracles.completion(chat)
    back = MessagesAnswers("m").whole(chat)
    oracles.message(back)
    assert back == answer


def events_of(answer: Object, cuts: int) -> list[Object]:
    """The answer as the Messages API streams it, in pieces of `cuts` characters."""
    start = answer | {"content": [], "stop_reason": None}
    found: list[Object] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(answer["content"]):
        text, kind = {
            "text": lambda b: (b["text"], ("text_delta", "text")),
            "thinking": lambda b: (b["thinking"], ("thinking_delta", "thinking")),
            "tool_use": lambda b: (
                json.dumps(b["input"]) if b["input"] else "",
                ("input_json_delta", "partial_json"),
            ),
        }[block["type"]](block)
        empty = {"text": {"text": ""}, "thinking": {"thinking": ""}, "tool_use": {"input": {}}}
        opened = block | empty[block["type"]]
        found.append({"type": "content_block_start", "index": index, "content_block": opened})
        for at in range(0, len(text), cuts):
            delta = {"type": kind[0], kind[1]: text[at : at + cuts]}
            found.append({"type": "content_block_delta", "index": index, "delta": delta})
        found.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": answer["stop_reason"], "stop_sequence": None}
    usage = {"output_tokens": answer["usage"]["output_tokens"]}
    found.append({"type": "message_delta", "delta": delta, "usage": usage})
    return [*found, {"type": "something_new", "x": 1}, {"type": "message_stop"}]


def joined(events: list[Any]) -> Object:
    """What a client puts together from the Messages API's events."""
    content: list[Object] = []
    open_index: int | None = None
    result: Object = {}
    for event in events:
        match event.type:
            case "message_start":
                result = event.message.model_dump()
            case "content_block_start":
                assert open_index is None, "one block at a time"
                assert event.index == len(content), "indexes count up"
                open_index = event.index
                block = event.content_block.model_dump(exclude_none=True)
                if block["type"] == "tool_use":
                    assert block["id"]
                    assert block["name"]
                    block["input"] = ""
                content.append(block)
            case "content_block_delta":
                assert event.index == open_index
                part = event.delta.model_dump()
                key = {"text_delta": "text", "thinking_delta": "thinking"}.get(part["type"])
                value = part[key] if key else part["partial_json"]
                content[-1][key or "input"] += value
            case "content_block_stop":
                assert event.index == open_index
                open_index = None
                if content[-1]["type"] == "tool_use":
                    content[-1]["input"] = json.loads(content[-1]["input"] or "{}")
            case "message_delta":
                result["stop_reason"] = event.delta.stop_reason
                result["usage"] = event.usage.model_dump(exclude_none=True)
            case _:
                assert event.type == "message_stop"
    return result | {"content": content}


@settings(max_examples=60, deadline=None)
@given(answers(), st.integers(1, 12))
def test_a_stream_survives_the_way_there_and_back(answer: Object, cuts: int) -> None:
    there = ChatAnswers("m", usage=True).stream()
    chat = b"".join(there.event(event) for event in events_of(answer, cuts)) + there.end()
    assert [chunk.usage for chunk in oracles.chunks(chat)][-1] is not None
    back = MessagesAnswers("m").stream()
    pieces = [piece + b"\n\n" for piece in chat.split(b"\n\n") if piece]
    data = [found for piece in pieces if (found := parsed(piece)) is not None]
    stream = b"".join(back.event(chunk) for chunk in data) + back.end()
    found = joined(oracles.events(stream))
    assert found["content"] == answer["content"]
    assert found["stop_reason"] == answer["stop_reason"]
    assert found["usage"] == answer["usage"]


@settings(max_examples=60, deadline=None)
@given(answers())
def test_a_whole_answer_can_be_told_as_a_stream(answer: Object) -> None:
    """For servers that do not stream: the client puts together what was answered, both ways."""
    chat = ChatAnswers("m", usage=True)
    there = chat.stream()
    told = b"".join(map(there.event, chat.pieces(answer))) + there.end()
    list(oracles.chunks(told))
    whole = chat.whole(answer)
    back = MessagesAnswers("m")
    stream = back.stream()
    found = joined(oracles.events(b"".join(map(stream.event, back.pieces(whole))) + stream.end()))
    assert found["content"] == answer["content"]
    assert (found["stop_reason"], found["usage"]) == (answer["stop_reason"], answer["usage"])
    data = [piece for part in told.split(b"\n\n") if (piece := parsed(part + b"\n\n"))]
    again = MessagesAnswers("m").stream()
    joint = joined(oracles.events(b"".join(map(again.event, data)) + again.end()))
    assert joint["content"] == answer["content"]


@st.composite
def mixed_calls(draw: st.DrawFn) -> tuple[list[Object], list[Object]]:
    """Parallel calls whose pieces come in any order that keeps each call's own order."""
    inputs = draw(
        st.lists(st.dictionaries(st.sampled_from("ab"), st.integers()), min_size=2, max_size=4)
    )
    pieces = {}
    for number, given_input in enumerate(inputs):
        text = json.dumps(given_input)
        function = {"name": f"tool{number}", "arguments": ""}
        head = {"index": number, "id": f"c{number}", "type": "function", "function": function}
        tail = [
            {"index": number, "function": {"arguments": text[at : at + 3]}}
            for at in range(0, len(text), 3)
        ]
        pieces[number] = [head, *tail]
    order = [number for number, found in pieces.items() for _ in found]
    mixed = [pieces[number].pop(0) for number in draw(st.permutations(order))]
    calls = [
        {"type": "tool_use", "id": f"c{n}", "name": f"tool{n}", "input": given_input}
        for n, given_input in enumerate(inputs)
    ]
    return mixed, calls


def chunk(delta: Object, finish: str | None = None) -> Object:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "x", "object": "chat.completion.chunk", "choices": [choice], "model": "m"}


@settings(max_examples=60, deadline=None)
@given(mixed_calls())
def test_mixed_parallel_calls_come_out_whole(made: tuple[list[Object], list[Object]]) -> None:
    mixed, calls = made
    stream = MessagesAnswers("m").stream()
    out = b"".join(stream.event(chunk({"tool_calls": [piece]})) for piece in mixed)
    out += stream.event(chunk({}, "tool_calls")) + stream.end()
    found = joined(oracles.events(out))["content"]
    assert sorted(found, key=lambda call: call["id"]) == calls


def test_calls_that_share_an_index_are_told_apart_by_their_ids() -> None:
    """As Ollama sends them, with `stop` as the reason."""
    stream = MessagesAnswers("m").stream()
    function = {"name": "f", "arguments": "{}"}
    out = b"".join(
        stream.event(chunk({"tool_calls": [{"index": 0, "id": name, "function": function}]}))
        for name in "ab"
    )
    out += stream.event(chunk({}, "stop")) + stream.end()
    found = joined(oracles.events(out))
    assert [call["id"] for call in found["content"]] == ["a", "b"]
    assert found["stop_reason"] == "tool_use"


def test_reasoning_becomes_thinking_under_either_name() -> None:
    for name in ("reasoning_content", "reasoning"):
        stream = MessagesAnswers("m").stream()
        out = stream.event(chunk({name: "hm"})) + stream.event(chunk({"content": "yes"}, "stop"))
        found = joined(oracles.events(out + stream.end()))["content"]
        assert [block["type"] for block in found] == ["thinking", "text"]


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"choices": []},
        {"choices": [{"message": {"content": 5}}]},
        {"choices": [{"message": {"tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}}]},
        {"choices": [{"message": {"tool_calls": [{"function": {"arguments": "{}"}}]}}]},
    ],
)
def test_a_broken_answer_is_never_passed_on(broken: Object) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, IndexError)):
        MessagesAnswers("m").whole(broken)


def test_a_stream_without_an_end_is_not_closed() -> None:
    for stream in (MessagesAnswers("m").stream(), ChatAnswers("m", usage=False).stream()):
        with pytest.raises(ValueError, match="ended before"):
            stream.end()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "choices", "delta", "message", "content", "tool_calls", "index"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(JSON, max_size=5))
def test_nonsense_raises_only_what_the_pipeline_expects(events: list[Any]) -> None:
    expected = (ValueError, TypeError, KeyError, IndexError, AttributeError)
    for stream in (MessagesAnswers("m").stream(), ChatAnswers("m", usage=True).stream()):
        try:
            for event in events:
                stream.event(event)
            stream.end()
        except expected:
            continue
