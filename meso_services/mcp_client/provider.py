"""The declared servers' tools for the tool executor: what to run in the sandbox for a call."""

from __future__ import annotations

import json
import sys
from typing import Any

from meso_services.contract.tools import ToolInfo
from meso_services.mcp_client.settings import PinnedTool, Server
from meso_services.providers import MOST_ANSWER, SandboxCommand
from meso_services.runtime.errors import MesoError

PREFIX = "mcp__"
MOST_OUTPUT = 256 * 1024
INSIDE = "meso_services.mcp_client.inside"


class ExternalTools:
    """A provider of tools. It starts no process: it says which to start."""

    def __init__(self, servers: tuple[Server, ...]) -> None:
        self._servers = servers
        self._pinned = {
            f"{PREFIX}{server.name}__{tool.name}": (server, tool)
            for server in servers
            for tool in server.tools
        }
        self._lists = {f"{PREFIX}{server.name}": server for server in servers}

    def tools(self) -> tuple[ToolInfo, ...]:
        """One tool a pinned tool, and one a server that lists what it offers now."""
        pinned = tuple(
            _info(name, f"[external: {server.name}] {tool.description}", tool.schema_object())
            for name, (server, tool) in self._pinned.items()
        )
        lists = tuple(
            _info(name, f"What the external server {server.name} offers.", {"type": "object"})
            for name, server in self._lists.items()
        )
        return (*lists, *pinned)

    def command(self, name: str, params: dict[str, Any]) -> SandboxCommand:
        """The program that makes this one call, inside the sandbox."""
        server = self._lists.get(name)
        tool: PinnedTool | None = None
        if server is None:
            server, tool = self._pinned[name]
        job = {
            "command": list(server.command),
            "url": server.url,
            "tool": None if tool is None else tool.name,
            "pinned": None if tool is None else _pin(tool.description, tool.schema_object()),
            "arguments": params,
            "most": MOST_OUTPUT,
            "most_answer": MOST_ANSWER,
        }
        return SandboxCommand(
            argv=(sys.executable, "-I", "-m", INSIDE),
            stdin=json.dumps(job).encode(),
            hosts=server.hosts(),
            seconds=server.seconds,
        )

    def result(self, name: str, stdout: bytes) -> dict[str, Any]:
        """What came back, marked as not to be trusted. Raises MesoError `mcp.*`."""
        try:
            answer = json.loads(stdout)
            kind, content = next(iter(answer.items()))
        except (ValueError, AttributeError, StopIteration):
            raise MesoError(
                "mcp.no_answer", f"{name}: the server ended without an answer", status=502
            ) from None
        if kind == "error":
            raise MesoError(content["code"], content["message"], status=502, hint=content["hint"])
        if kind == "tools":
            return {"source": f"external: {name}", "trusted": False, "tools": content}
        return {"source": f"external: {name}", "trusted": False, **content}


def _info(name: str, description: str, parameters: dict[str, Any]) -> ToolInfo:
    return ToolInfo(name=name, description=description, parameters=parameters, source="provider")


def _pin(description: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "parameters": parameters}
