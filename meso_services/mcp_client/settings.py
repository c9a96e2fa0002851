"""How the operator declares an external MCP server."""

from __future__ import annotations

import json
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from meso_services.runtime.settings import Model, setting

ServerName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=32)]
ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


def _schema(text: str) -> str:
    if not isinstance(json.loads(text), dict):
        raise ValueError("is no JSON object")
    return text


class PinnedTool(Model):
    """A tool of an external server, as the operator has read and accepted it."""

    name: ToolName = setting(description="The tool's name on its server.")
    description: str = setting("", description="What it says of itself; models read this.")
    parameters: Annotated[str, AfterValidator(_schema)] = setting(
        "{}", description="The JSON schema of its parameters, as text."
    )

    def schema_object(self) -> dict[str, Any]:
        """The schema of the parameters."""
        found: dict[str, Any] = json.loads(self.parameters)
        return found


class Server(Model):
    """One external server: a program that runs in the sandbox, or an address behind the door."""

    name: ServerName = setting(description="Its tools are called `mcp__NAME__TOOL`.")
    command: tuple[str, ...] = setting(
        (), description="Program and arguments; it runs in the sandbox of the call."
    )
    url: str | None = setting(
        None,
        pattern=r"^https://[^\s@]+$",
        description="Address of a Streamable HTTP server, reached through the egress door.",
    )
    seconds: int = setting(60, ge=1, le=3600, description="Longest duration of one call.")
    tools: tuple[PinnedTool, ...] = setting(
        (), description="The tools that are offered. `mcp__NAME` lists what the server has."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if bool(self.command) == (self.url is not None):
            raise ValueError("needs either `command` or `url`")
        return self

    def hosts(self) -> tuple[str, ...]:
        """What a call must be allowed to reach."""
        if self.url is None:
            return ()
        parts = urlsplit(self.url)
        return (f"{parts.hostname}:{parts.port or 443}",)
