"""Conversations that both APIs can say, for property tests."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Object = dict[str, Any]
# No half characters: they are no JSON text.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
INPUTS = st.dictionaries(NAMES, VALUES, max_size=3)


@st.composite
def tools(draw: st.DrawFn) -> list[Object]:
    names = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    return [
        {
            "name": name,
            "description": draw(TEXT),
            "input_schema": {"type": "object", "properties": draw(INPUTS)},
        }
        for name in names
    ]


@st.composite
def images(draw: st.DrawFn) -> Object:
    if draw(st.booleans()):
        return {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
    source = {
        "type": "base64",
        "media_type": "image/png",
        "data": draw(st.sampled_from(["aGk=", ""])),
    }
    return {"type": "image", "source": source}


@st.composite
def conversations(draw: st.DrawFn) -> Object:
    """A request of the Messages API with everything that chat completions can say as well."""
    body: Object = {"model": "m", "max_tokens": draw(st.integers(1, 9999)), "messages": []}
    if draw(st.booleans()):
        body["system"] = [{"type": "text", "text": draw(TEXT)}]
    if draw(st.booleans()):
        body["tools"] = draw(tools())
    if draw(st.booleans()):
        body["stop_sequences"] = draw(st.lists(TEXT, min_size=1, max_size=4))
    waiting: list[str] = []
    for turn in range(draw(st.integers(1, 4))):
        said = [{"type": "text", "text": draw(TEXT)} for _ in range(draw(st.integers(1, 2)))]
        said += draw(st.lists(images(), max_size=1))
        results = [
            {
                "type": "tool_result",
                "tool_use_id": one,
                "content": [{"type": "text", "text": draw(TEXT)}],
            }
            for one in waiting
        ]
        body["messages"].append({"role": "user", "content": results + said})
        calls = [
            {
                "type": "tool_use",
                "id": f"call_{turn}_{n}",
                "name": draw(NAMES),
                "input": draw(INPUTS),
            }
            for n in range(draw(st.integers(0, 3)))
        ]
        waiting = [call["id"] for call in calls]
        answer = [{"type": "text", "text": draw(TEXT)}, *calls]
        body["messages"].append({"role": "assistant", "content": answer})
    return body


@st.composite
def answers(draw: st.DrawFn) -> Object:
    """An answer of the Messages API."""
    content: list[Object] = []
    if draw(st.booleans()):
        content.append({"type": "thinking", "thinking": draw(TEXT), "signature": ""})
    if draw(st.booleans()):
        content.append({"type": "text", "text": draw(TEXT)})
    calls = draw(st.integers(0, 3))
    for number in range(calls):
        call = {"type": "tool_use", "id": f"toolu_{number}", "name": draw(NAMES)}
        content.append(call | {"input": draw(INPUTS)})
    counts = st.integers(0, 10**6)
    usage = {
        "input_tokens": draw(counts),
        "cache_creation_input_tokens": draw(counts),
        "cache_read_input_tokens": draw(counts),
        "output_tokens": draw(counts),
    }
    reasons = ["tool_use"] if calls else ["end_turn", "max_tokens", "refusal"]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": content,
        "stop_reason": draw(st.sampled_from(reasons)),
        "stop_sequence": None,
        "usage": usage,
    }
