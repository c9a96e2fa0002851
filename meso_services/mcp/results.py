"""Replies and errors of the services, as MCP clients expect them."""

from __future__ import annotations

import json
from typing import Any

import mcp_types as types

from meso_services.contract.common import ErrorInfo, Message
from meso_services.contract.tools import CallReply


def told(text: str, *, error: bool = False, **more: Any) -> types.CallToolResult:
    """A result of one text."""
    content = types.TextContent(type="text", text=text)
    return types.CallToolResult(content=[content], is_error=error, **more)


def replied(reply: Message) -> types.CallToolResult:
    """A service's reply: as structured content, and as JSON for clients that read text only."""
    data = reply.model_dump(mode="json")
    return told(json.dumps(data, ensure_ascii=False), structured_content=data)


def failed(info: ErrorInfo) -> types.CallToolResult:
    """An error that the model can understand and act on; `code` is stable."""
    hint = f"\n{info.hint}" if info.hint else ""
    meta = {"org.meso/error": info.model_dump(mode="json")}
    return told(f"{info.code}: {info.message}{hint}", error=True, _meta=meta)


def called(reply: CallReply) -> types.CallToolResult:
    """The end of a tool's call."""
    meta = {"org.meso/call": reply.id, "org.meso/state": reply.state}
    if reply.error is not None:
        info = reply.error
        if reply.state == "refused" and reply.decision is not None:
            reason = reply.decision.reason or reply.decision.rule
            info = info.model_copy(update={"message": f"{info.message} ({reason})"})
        result = failed(info)
        return result.model_copy(update={"meta": {**(result.meta or {}), **meta}})
    return told(shown(reply.result or {}), _meta=meta)


def shown(result: dict[str, Any]) -> str:
    """A tool's own reply as a model reads it best: the text itself, then what is to be known."""
    if "exit_code" in result and "stdout" in result:
        return _command(result)
    if "lines" in result and "first_line" in result:
        return _file(result)
    if isinstance(result.get("text"), str) and len(result) == 1:
        return str(result["text"])
    return json.dumps(result, ensure_ascii=False)


def _command(result: dict[str, Any]) -> str:
    parts = [result["stdout"]]
    if result.get("stderr"):
        parts.append(f"[stderr]\n{result['stderr']}")
    if result.get("truncated"):
        parts.append(f"[{result.get('omitted_bytes', 0)} bytes were left out]")
    if result.get("violations"):
        parts.append(f"[limits met: {', '.join(result['violations'])}]")
    if result["exit_code"]:
        parts.append(f"[exit code {result['exit_code']}]")
    return "\n".join(part.rstrip("\n") for part in parts if part) or "[no output]"


def _file(result: dict[str, Any]) -> str:
    if result["kind"] == "binary":
        return f"[binary, {result['size']} bytes; the first ones in base64]\n{result['base64']}"
    text = "\n".join(result["lines"])
    more = result.get("next_offset")
    return f"{text}\n[the file goes on: offset {more}]" if more else text
