"""One entry as blocks of the Messages API, whichever program wrote it.

Known are Pi's messages (`toolCall`, `toolResult`, `bashExecution`, …) and the API's own blocks.
"""

from __future__ import annotations

import json
from typing import Any

from meso_services.session_manager.entries import Line

Block = dict[str, Any]
# Blocks that the API takes as they are, by role.
_AS_THEY_ARE = {
    "user": frozenset({"text", "image", "document", "tool_result", "search_result"}),
    "assistant": frozenset(
        {"text", "tool_use", "thinking", "redacted_thinking", "server_tool_use"}
    ),
}


def said(line: Line) -> tuple[str, list[Block]] | None:
    """(role, blocks) of an entry, with `system` as a role; None if a model sees nothing of it."""
    match line.type:
        case "message":
            message = line.data.get("message")
            return _message(message) if isinstance(message, dict) else None
        case "custom_message":
            return "user", _user_blocks(line.data.get("content"))
        case "branch_summary":
            return "user", _text(f"Summary of another branch:\n\n{line.data.get('summary', '')}")
        case "compaction":
            return "user", _text(
                f"Summary of the conversation so far:\n\n{line.data.get('summary', '')}"
            )
        case _:
            return None


def calls_in(line: Line) -> set[str]:
    """Ids of the tool calls in an entry."""
    found = said(line)
    return {b["id"] for b in found[1] if b["type"] == "tool_use"} if found else set()


def results_in(line: Line) -> set[str]:
    """Ids of the tool calls that an entry answers."""
    found = said(line)
    return {b["tool_use_id"] for b in found[1] if b["type"] == "tool_result"} if found else set()


def is_request(line: Line) -> bool:
    """True for what somebody asked for: a user's message that is not only tool results."""
    if line.type not in ("message", "custom_message"):
        return False
    found = said(line)
    return (
        found is not None
        and found[0] == "user"
        and any(block["type"] != "tool_result" for block in found[1])
    )


def plain(line: Line) -> str:
    """The text of an entry."""
    found = said(line)
    return "\n".join(b["text"] for b in found[1] if b["type"] == "text") if found else ""


def _message(  # noqa: PLR0911 (a role each)
    message: dict[str, Any],
) -> tuple[str, list[Block]] | None:
    content = message.get("content")
    match message.get("role"):
        case "system":
            return "system", _user_blocks(content)
        case "user" | "custom":
            return "user", _user_blocks(content)
        case "assistant":
            return "assistant", _assistant_blocks(content)
        case "toolResult":
            block = _result(str(message.get("toolCallId", "")), content)
            return "user", [
                {**block, "is_error": True} if message.get("isError") is True else block
            ]
        case "bashExecution":
            output = message.get("output", "")
            return "user", _text(f"I ran `{message.get('command', '')}`:\n\n{output}")
        case "branchSummary":
            return "user", _text(f"Summary of another branch:\n\n{message.get('summary', '')}")
        case "compactionSummary":
            return "user", _text(
                f"Summary of the conversation so far:\n\n{message.get('summary', '')}"
            )
        case _:
            return None


def _user_blocks(content: Any) -> list[Block]:
    if isinstance(content, str):
        return _text(content)
    blocks: list[Block] = []
    for block in content if isinstance(content, list) else ():
        if not isinstance(block, dict):
            continue
        if block.get("type") == "image" and "data" in block:
            source = {"type": "base64", "media_type": str(block.get("mimeType", "image/png")),
                      "data": block["data"]}  # fmt: skip
            blocks.append({"type": "image", "source": source})
        elif block.get("type") == "tool_result":
            if isinstance(block.get("tool_use_id"), str):
                blocks.append(block)
        elif block.get("type") in _AS_THEY_ARE["user"]:
            blocks += _valid(block)
    return blocks


def _assistant_blocks(content: Any) -> list[Block]:
    if isinstance(content, str):
        return _text(content)
    blocks: list[Block] = []
    for block in content if isinstance(content, list) else ():
        if not isinstance(block, dict):
            continue
        match block.get("type"):
            case "toolCall":
                blocks.append(_call(block))
            case "thinking" if "signature" not in block:
                # The API takes back only thinking that it has signed.
                if isinstance(signature := block.get("thinkingSignature"), str) and signature:
                    blocks.append({"type": "thinking", "thinking": block.get("thinking", ""),
                                   "signature": signature})  # fmt: skip
            case "tool_use":
                if isinstance(block.get("id"), str) and isinstance(block.get("input"), dict):
                    blocks.append(block)
            case kind if kind in _AS_THEY_ARE["assistant"]:
                blocks += _valid(block)
            case _:
                pass
    return blocks


def _call(block: Block) -> Block:
    """Pi's tool call in the API's words."""
    arguments = block.get("arguments")
    return {
        "type": "tool_use",
        "id": str(block.get("id", "")),
        "name": str(block.get("name", "")),
        "input": arguments if isinstance(arguments, dict) else {},
    }


def _valid(block: Block) -> list[Block]:
    """A block, or none where it is an empty text, which the API refuses."""
    if block["type"] != "text":
        return [block]
    text = block.get("text")
    kept = {k: v for k, v in block.items() if k in ("type", "text", "cache_control", "citations")}
    return [kept] if isinstance(text, str) and text.strip() else []


def _result(call: str, content: Any) -> Block:
    if isinstance(content, str | list):
        blocks = _user_blocks(content)
    else:
        blocks = _text("" if content is None else json.dumps(content))
    return {"type": "tool_result", "tool_use_id": call, "content": blocks}


def _text(text: str) -> list[Block]:
    return [{"type": "text", "text": text}] if text.strip() else []
