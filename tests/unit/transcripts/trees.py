"""Generated transcripts: trees of every shape, with fields that nobody knows."""

from __future__ import annotations

import json
import uuid
from typing import Any

from hypothesis import strategies as st

STAMP = "2026-02-03T04:05:06.789Z"
SESSION = "12345678-1234-4234-8234-123456789abc"
text = st.text(max_size=12)
leaves = st.none() | st.booleans() | st.integers() | text
leaves |= st.floats(allow_nan=False, allow_infinity=False)
unknown = st.dictionaries(
    st.sampled_from(["zebra", "älter", "x-y", "n"]),
    st.recursive(leaves, lambda inner: st.lists(inner, max_size=2), max_leaves=3),
    max_size=2,
)
USED = {"input": 1, "output": 2, "cacheRead": 0, "cacheWrite": 0, "totalTokens": 3}
THOUGHT = {"type": "thinking", "thinking": "hm", "thinkingSignature": "abc"}
LONE = ("file-history-snapshot", "ai-title", "last-prompt", "custom-title", "queue-operation",
        "brand-new")  # fmt: skip


def line(record: dict[str, Any]) -> bytes:
    """As JavaScript writes it."""
    try:
        made = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        made = json.dumps(record, separators=(",", ":")).encode()
    return made + b"\n"


def message(**said: Any) -> Any:
    """Pi's entry of a message."""
    given = {name: st.just(value) if not isinstance(value, st.SearchStrategy) else value
             for name, value in said.items()}  # fmt: skip
    return st.fixed_dictionaries(
        {"type": st.just("message"),
         "message": st.fixed_dictionaries(given | {"timestamp": st.just(1)})}
    )  # fmt: skip


def answer(number: int) -> Any:
    """Pi's answer of a model."""
    call = {"type": "toolCall", "id": f"call{number}", "name": "bash", "arguments": {"n": number}}
    said = st.fixed_dictionaries({"type": st.just("text"), "text": text})
    blocks = st.lists(st.just(call) | said | st.just(THOUGHT), min_size=1, max_size=3,
                      unique_by=lambda block: block["type"])  # fmt: skip
    return message(role="assistant", content=blocks, api="anthropic-messages",
                   provider="anthropic", model="m", usage=USED, stopReason="stop")  # fmt: skip


def pi_entry(number: int, other: str) -> Any:
    """An entry of Pi's, without its place in the tree."""
    result = st.lists(
        st.fixed_dictionaries({"type": st.just("text"), "text": text}), min_size=1, max_size=1
    )

    def kind(of: str, **given: Any) -> Any:
        fields = {key: value if isinstance(value, st.SearchStrategy) else st.just(value)
                  for key, value in given.items()}  # fmt: skip
        return st.fixed_dictionaries({"type": st.just(of), **fields})

    return st.one_of(
        message(role="user", content=text),
        answer(number),
        message(role="toolResult", toolCallId=f"call{number - 1}", toolName="bash",
                isError=False, content=result),
        kind("label", targetId=other, label=text),
        kind("compaction", summary=text, firstKeptEntryId=other, tokensBefore=7),
        kind("custom", customType="ext", data=unknown),
        kind("custom_message", customType="ext", content=text, display=True),
        kind("branch_summary", fromId=other, summary=text),
        kind("session_info", name=text),
        kind("model_change", provider="p", modelId="m"),
        kind("context_edit", targetId=other, replacement=None),
        kind("brand_new", kind=text),
    )  # fmt: skip


@st.composite
def pi_file(draw: Any) -> bytes:
    """A file of Pi's version 3."""
    rows: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 14))):
        ident = f"{number:08x}"
        before = st.none() | st.sampled_from([row["id"] for row in rows]) if rows else st.none()
        said = draw(pi_entry(number, rows[0]["id"] if rows else ident))
        base = {"type": said["type"], "id": ident, "parentId": draw(before), "timestamp": STAMP}
        row = base | said
        rows.append(row | {k: v for k, v in draw(unknown).items() if k not in row})
    header = {"type": "session", "version": 3, "id": SESSION, "timestamp": STAMP, "cwd": "/work"}
    return line(header | draw(unknown)) + b"".join(map(line, rows))


class Claude:
    """Writes records as Claude Code does."""

    def __init__(self, draw: Any) -> None:
        self.rows: list[dict[str, Any]] = []
        self.chained: list[str] = []
        self.draw = draw

    def add(self, record: dict[str, Any], **more: Any) -> str:
        """A record that hangs on the last one, or on its `parent`."""
        ident = str(uuid.UUID(int=len(self.rows) + 1))
        parent = more.pop("parent", self.chained[-1] if self.chained else None)
        common = {"uuid": ident, "timestamp": STAMP, "sessionId": SESSION, "version": "2.1.1",
                  "cwd": "/work"}  # fmt: skip
        start = {"parentUuid": parent, "isSidechain": False}
        self.rows.append({**start, **record, **common, **more, **self.draw(unknown)})
        self.chained.append(ident)
        return ident

    def user(self, content: Any, **more: Any) -> str:
        """Something a user says, or a result."""
        return self.add({"type": "user", "message": {"role": "user", "content": content}}, **more)

    def says(self, group: str, block: dict[str, Any]) -> str:
        """One block of an answer."""
        said = {"id": group, "type": "message", "role": "assistant", "model": "m",
                "content": [block],
                "usage": {"input_tokens": 1, "output_tokens": 1}}  # fmt: skip
        return self.add({"type": "assistant", "message": said, "requestId": f"req{group}"})

    def parallel(self, number: int) -> None:
        """Calls at the same time; each result hangs on its own call."""
        ids = [f"toolu{number}{place}" for place in range(self.draw(st.integers(2, 3)))]
        hung = [
            (call, self.says(f"msg{number}", {"type": "tool_use", "id": call, "name": "Bash",
                                               "input": {}}))
            for call in ids
        ]  # fmt: skip
        for call, above in self.draw(st.permutations(hung)):
            result = {"type": "tool_result", "tool_use_id": call, "content": self.draw(text)}
            self.user([result], toolUseResult={"stdout": "x"}, parent=above)

    def compact(self) -> None:
        """A boundary and what it stands for."""
        before = self.chained[-1] if self.chained else None
        facts: dict[str, Any] = {"trigger": "auto", "preTokens": 9}
        keeps = before is not None and self.draw(st.booleans())
        if keeps:
            anchor = str(uuid.UUID(int=len(self.rows) + 2))
            facts["preservedSegment"] = {
                "headUuid": before, "anchorUuid": anchor, "tailUuid": before,
            }  # fmt: skip
        self.add({"type": "system", "subtype": "compact_boundary", "content": "Compacted",
                  "compactMetadata": facts, "logicalParentUuid": before}, parent=None)  # fmt: skip
        self.user(f"SUMMARY{self.draw(text)}", isCompactSummary=True)
        if keeps and before is not None:
            # The client goes on from what was kept, not from the summary.
            self.chained.append(before)

    def alone(self) -> None:
        """A record that is linked to none."""
        kind = self.draw(st.sampled_from(LONE))
        title = self.draw(text)
        more = self.draw(unknown)
        self.rows.append({"type": kind, "sessionId": SESSION, "customTitle": title, **more})

    def fork(self) -> None:
        """Another request at an earlier place."""
        if self.chained:
            self.user(self.draw(text), parent=self.draw(st.sampled_from(self.chained)))

    def side(self) -> None:
        """What a sub-agent is asked."""
        self.user(self.draw(text), agentId="a1", isSidechain=True, parent=None)
        self.chained.pop()

    def one(self, number: int) -> None:
        """Anything."""
        self.draw(st.sampled_from([
            lambda: self.user(self.draw(text)),
            lambda: self.says(f"msg{number}", {"type": "text", "text": self.draw(text)}),
            lambda: self.parallel(number),
            lambda: self.add({"type": "attachment", "attachment": {"type": "date"}}),
            self.compact, self.alone, self.fork, self.side,
        ]))()  # fmt: skip


@st.composite
def claude_file(draw: Any) -> bytes:
    """A transcript of Claude Code: forks, parallel tools, compactions, records without uuid."""
    made = Claude(draw)
    for number in range(draw(st.integers(1, 8))):
        made.one(number)
    if not made.chained:
        made.user("hello")
    return b"".join(map(line, made.rows))
