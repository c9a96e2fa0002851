"""The model API's rules: roles alternate, and each tool call is followed by its results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from meso_services.session_manager.model.parts import Block

Said = tuple[str, list[Block]]
BEGINNING = "(What was said before is left out.)"
NO_RESULT = "(No result of this call was recorded.)"


@dataclass
class Mended:
    """Messages that the API takes, what the session says as `system`, and what was mended."""

    system: str = ""
    messages: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def mend(entries: Iterable[Said]) -> Mended:
    """Messages from what was said, in its order.

    Results that stand elsewhere (parallel calls fork the chain) move behind their call. A call
    without a result gets one that says so, and a result without its call becomes text. Nothing
    that was said is dropped, but for empty texts.
    """
    mended, told = Mended(), [one for one in entries if one[1]]
    system = [b["text"] for role, blocks in told if role == "system" for b in blocks if "text" in b]
    mended.system = "\n\n".join(system[-1:])
    spoken = _joined(one for one in told if one[0] != "system")
    results = _results(spoken)
    used: set[str] = set()
    for role, blocks in spoken:
        if role == "assistant":
            _assistant(mended, blocks, results, used)
        else:
            _user(mended, blocks, used)
    _begin(mended)
    return mended


def _results(spoken: list[Said]) -> dict[str, list[Block]]:
    """Results by the call that they answer, in their order."""
    found: dict[str, list[Block]] = {}
    for role, blocks in spoken:
        for block in blocks if role == "user" else ():
            if block["type"] == "tool_result":
                found.setdefault(block["tool_use_id"], []).append(block)
    return found


def _joined(spoken: Iterable[Said]) -> list[Said]:
    """Entries of a model that follow each other are one answer: a block each, or parallel calls."""
    joined: list[Said] = []
    for role, blocks in spoken:
        if role == "assistant" and joined and joined[-1][0] == "assistant":
            joined[-1][1].extend(blocks)
        else:
            joined.append((role, list(blocks)))
    return joined


def _assistant(
    mended: Mended, blocks: list[Block], results: dict[str, list[Block]], used: set[str]
) -> None:
    """Add what a model said, and right behind it the results of its calls."""
    fresh: list[Block] = []
    calls: list[str] = []
    for block in blocks:
        if block["type"] != "tool_use":
            fresh.append(block)
        elif block["id"] in used:
            mended.notes.append(f"call {block['id']} stood twice; it is there once")
        else:
            fresh.append(block)
            calls.append(block["id"])
            used.add(block["id"])
    _say(mended, "assistant", fresh)
    for call in calls:
        answer = results.get(call)
        if answer is None:
            mended.notes.append(f"call {call} has no result; one was added that says so")
            answer = [{"type": "tool_result", "tool_use_id": call, "is_error": True,
                       "content": [{"type": "text", "text": NO_RESULT}]}]  # fmt: skip
        _say(mended, "user", answer[:1])


def _user(mended: Mended, blocks: list[Block], used: set[str]) -> None:
    for block in blocks:
        if block["type"] != "tool_result":
            _say(mended, "user", [block])
        elif block["tool_use_id"] not in used:
            mended.notes.append(
                f"the result of call {block['tool_use_id']} has no call; it is text"
            )
            _say(mended, "user", _as_text(block))


def _say(mended: Mended, role: str, blocks: list[Block]) -> None:
    if not blocks:
        return
    if mended.messages and mended.messages[-1]["role"] == role:
        content = mended.messages[-1]["content"]
        if any(block["type"] == "tool_result" for block in blocks):
            # Results come before anything else that is said with them.
            first = sum(block["type"] == "tool_result" for block in content)
            content[first:first] = blocks
        else:
            content += blocks
    else:
        mended.messages.append({"role": role, "content": list(blocks)})


def _as_text(block: Block) -> list[Block]:
    content = block.get("content")
    if isinstance(content, str):
        text = content
    else:
        parts = content if isinstance(content, list) else []
        text = "\n".join(str(p.get("text", "")) for p in parts if isinstance(p, dict))
    return [{"type": "text", "text": f"Result of a tool call that is not shown:\n\n{text}"}]


def _begin(mended: Mended) -> None:
    if mended.messages and mended.messages[0]["role"] != "user":
        mended.notes.append("a first message was added: the API begins with the user")
        mended.messages.insert(
            0, {"role": "user", "content": [{"type": "text", "text": BEGINNING}]}
        )
