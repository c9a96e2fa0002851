"""Generated transcripts: trees of every shape, with fields that nobody knows."""

from __future__ import annotations

import json
import uuid
from typing import Any

from hypothesis import strategies as st

STAMP = "2026-02-03T04:05:06.789Z"
SESSION = "12345678-1234-4234-8234-123456789abc"
text = st.text(max_size=12)
unknown = st.dictionaries(
    st.sampled_from(["zebra", "älter", "x-y", "n"]),
    st.recursive(st.none() | st.booleans() | st.integers() | text | st.floats(allow_nan=False,
                 allow_infinity=False), lambda inner: st.lists(inner, max_size=2), max_leaves=3),
    max_size=2,
)  # fmt: skip


def line(record: dict[str, Any]) -> bytes:
    """As JavaScript writes it."""
    try:
        made = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        made = json.dumps(record, separators=(",", ":")).encode()
    return made + b"\n"


def pi_blocks(number: int) -> st.SearchStrategy[Any]:
    call = {"type": "toolCall", "id": f"call{number}", "name": "bash", "arguments": {"n": number}}
    return st.lists(
        st.just(call)
        | st.fixed_dictionaries({"type": st.just("text"), "text": text})
        | st.just({"type": "thinking", "thinking": "hm", "thinkingSignature": "abc"}),
        min_size=1, max_size=3, unique_by=lambda block: block["type"],
    )  # fmt: skip


@st.composite
def pi_file(draw: Any) -> bytes:
    """A file of Pi's version 3."""
    rows: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 14))):
        ident = f"{number:08x}"
        parent = draw(st.none() | st.sampled_from([row["id"] for row in rows])) if rows else None
        kind = draw(st.sampled_from(["user", "assistant", "toolResult", "label", "compaction",
                                     "custom", "custom_message", "branch_summary", "session_info",
                                     "model_change", "usage", "brand_new", "context_edit"]))  # fmt: skip
        base = {"type": kind, "id": ident, "parentId": parent, "timestamp": STAMP}
        other = rows[0]["id"] if rows else ident
        match kind:
            case "user":
                base |= {"type": "message",
                         "message": {"role": "user", "content": draw(text), "timestamp": 1}}  # fmt: skip
            case "assistant":
                base |= {"type": "message",
                         "message": {"role": "assistant", "content": draw(pi_blocks(number)),
                                     "api": "anthropic-messages", "provider": "anthropic",
                                     "model": "m", "usage": {"input": 1, "output": 2, "cacheRead": 0,
                                     "cacheWrite": 0, "totalTokens": 3}, "stopReason": "stop",
                                     "timestamp": 1}}  # fmt: skip
            case "toolResult":
                base |= {"type": "message",
                         "message": {"role": "toolResult", "toolCallId": f"call{number - 1}",
                                     "toolName": "bash", "isError": False, "timestamp": 1,
                                     "content": [{"type": "text", "text": draw(text)}]}}  # fmt: skip
            case "label":
                base |= {"targetId": other, "label": draw(text)}
            case "compaction":
                base |= {"summary": draw(text), "firstKeptEntryId": other, "tokensBefore": 7}
            case "custom":
                base |= {"customType": "ext", "data": {"k": draw(text)}}
            case "custom_message":
                base |= {"customType": "ext", "content": draw(text), "display": True}
            case "branch_summary":
                base |= {"fromId": other, "summary": draw(text)}
            case "session_info":
                base |= {"name": draw(text)}
            case "model_change":
                base |= {"provider": "p", "modelId": "m"}
            case "context_edit":
                base |= {"targetId": other, "replacement": None}
            case _:
                base |= {"kind": "k"}
        rows.append(base | {k: v for k, v in draw(unknown).items() if k not in base})
    header = {"type": "session", "version": 3, "id": SESSION, "timestamp": STAMP, "cwd": "/work"}
    return line(header | draw(unknown)) + b"".join(map(line, rows))


@st.composite
def claude_file(draw: Any) -> bytes:
    """A transcript of Claude Code: forks, parallel tools, compactions, records without uuid."""
    rows: list[dict[str, Any]] = []
    chained: list[str] = []

    def add(record: dict[str, Any], **more: Any) -> str:
        ident = str(uuid.UUID(int=len(rows) + 1))
        parent = more.pop("parent", chained[-1] if chained else None)
        rows.append({"parentUuid": parent, "isSidechain": False, **record, "uuid": ident,
                     "timestamp": STAMP, "sessionId": SESSION, "version": "2.1.1", "cwd": "/work",
                     **more, **draw(unknown)})  # fmt: skip
        chained.append(ident)
        return ident

    def says(group: str, block: dict[str, Any], **more: Any) -> str:
        message = {"id": group, "type": "message", "role": "assistant", "model": "m",
                   "content": [block], "usage": {"input_tokens": 1, "output_tokens": 1}}  # fmt: skip
        return add({"type": "assistant", "message": message, "requestId": f"req{group}"}, **more)

    for number in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["user", "fork", "answer", "parallel", "compact", "alone",
                                     "side", "attachment"]))  # fmt: skip
        match kind:
            case "user" | "fork":
                fork = draw(st.sampled_from(chained)) if kind == "fork" and chained else None
                more = {"parent": fork} if fork else {}
                add({"type": "user", "message": {"role": "user", "content": draw(text)}}, **more)
            case "answer":
                says(f"msg{number}", {"type": "text", "text": draw(text)})
            case "parallel":
                ids = [f"toolu{number}{place}" for place in range(draw(st.integers(2, 3)))]
                hung = [(call, says(f"msg{number}", {"type": "tool_use", "id": call, "name": "Bash",
                                                      "input": {}})) for call in ids]  # fmt: skip
                for call, above in draw(st.permutations(hung)):
                    result = {"type": "tool_result", "tool_use_id": call, "content": draw(text)}
                    add({"type": "user", "message": {"role": "user", "content": [result]},
                         "toolUseResult": {"stdout": "x"}, "sourceToolAssistantUUID": above},
                        parent=above)  # fmt: skip
            case "compact":
                before = chained[-1] if chained else None
                add({"type": "system", "subtype": "compact_boundary", "content": "Compacted",
                     "compactMetadata": {"trigger": "auto", "preTokens": 9},
                     "logicalParentUuid": before}, parent=None)  # fmt: skip
                add({"type": "user", "message": {"role": "user", "content": draw(text)},
                     "isCompactSummary": True})  # fmt: skip
            case "alone":
                rows.append({"type": draw(st.sampled_from(["file-history-snapshot", "ai-title",
                             "last-prompt", "custom-title", "queue-operation", "brand-new"])),
                             "sessionId": SESSION, "customTitle": draw(text), **draw(unknown)})  # fmt: skip
            case "side":
                add({"type": "user", "message": {"role": "user", "content": draw(text)},
                     "agentId": "a1"}, isSidechain=True, parent=None)  # fmt: skip
                chained.pop()
            case _:
                add({"type": "attachment", "attachment": {"type": "date", "date": "today"}})
    if not chained:
        add({"type": "user", "message": {"role": "user", "content": "hello"}})
    return b"".join(map(line, rows))
