"""Runs inside the sandbox: makes one call of one external MCP server and prints the answer.

The server is this program's child, or an address that only the call's grant lets through. Its
definition of the tool is compared with the pinned one before the tool is called: a server that
changes what its tool says of itself (tool poisoning) is refused.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

MOST_TOOLS = 512
ACCEPT = "read the new definition; put it into the configuration if you accept it"


class RefusedError(Exception):
    """The call is not made, or gave nothing."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code, self.hint = code, hint


def main() -> int:
    """Read a job from standard input, print one JSON object. Always 0: the answer says more."""
    job = json.loads(sys.stdin.buffer.read())
    try:
        answer = anyio.run(_answer, job)
    except Exception as problem:
        answer = {"error": _told(_innermost(problem))}
    sys.stdout.write(json.dumps(answer))
    return 0


async def _answer(job: dict[str, Any]) -> dict[str, Any]:
    async with Client(_server(job)) as client:
        offered = await _offered(client)
        if job["tool"] is None:
            return {"tools": _listed(offered, job["most_answer"])}
        _check(job, offered)
        result = await client.call_tool(job["tool"], job["arguments"])
        return {"result": _bounded(result, job["most"])}


def _server(job: dict[str, Any]) -> Any:
    if job["url"] is not None:
        return streamable_http_client(job["url"])
    command, *arguments = job["command"]
    return stdio_client(StdioServerParameters(command=command, args=arguments))


async def _offered(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while len(found) <= MOST_TOOLS:
        page = await client.list_tools(cursor=cursor)
        found += [
            {"name": t.name, "description": t.description or "", "parameters": t.input_schema}
            for t in page.tools
        ]
        if (cursor := page.next_cursor) is None:
            return found
    raise RefusedError("mcp.too_many_tools", f"the server offers more than {MOST_TOOLS} tools")


def _listed(offered: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    size = len(json.dumps(offered))
    if size > most:
        raise RefusedError("mcp.too_large", f"the list of its tools has {size} bytes")
    return offered


def _check(job: dict[str, Any], offered: list[dict[str, Any]]) -> None:
    now = next((tool for tool in offered if tool["name"] == job["tool"]), None)
    if now is None:
        raise RefusedError("mcp.no_such_tool", f"the server has no tool {job['tool']} any more")
    for part in ("description", "parameters"):
        if now[part] != job["pinned"][part]:
            said = json.dumps(now[part], ensure_ascii=False)[:2000]
            message = f"the {part} of {job['tool']} changed; it says now: {said}"
            raise RefusedError("mcp.tool_changed", message, ACCEPT)


def _bounded(result: Any, most: int) -> dict[str, Any]:
    """The texts of a result, cut to `most` characters; other content is named, not carried."""
    texts = [getattr(part, "text", None) or f"[{part.type}]" for part in result.content]
    text = "\n".join(texts)
    structured = result.structured_content
    if structured is not None and len(json.dumps(structured)) > most:
        structured = None
    return {
        "text": text[:most],
        "omitted_characters": max(0, len(text) - most),
        "structured": structured,
        "is_error": result.is_error,
    }


def _innermost(problem: BaseException) -> BaseException:
    while isinstance(problem, BaseExceptionGroup) and problem.exceptions:
        problem = problem.exceptions[0]
    return problem


def _told(problem: BaseException) -> dict[str, str]:
    if isinstance(problem, RefusedError):
        return {"code": problem.code, "message": str(problem), "hint": problem.hint}
    code = "mcp.refused" if isinstance(problem, MCPError) else "mcp.unreachable"
    said = f"{type(problem).__name__}: {problem}"[:2000]
    return {"code": code, "message": said, "hint": ""}


if __name__ == "__main__":
    sys.exit(main())
