"""One operation of a service as an MCP tool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from meso_services.contract.common import Message
from meso_services.mcp.backend import Backend


class Nothing(Message):
    """An operation without parameters."""


@dataclass(frozen=True)
class ToolSpec:
    """A row of the table of tools: `run(backend, params)` blocks and returns the reply."""

    name: str
    description: str
    params: type[Message]
    run: Callable[[Backend, Any], Message]
    changes: bool = False

    def schema(self) -> dict[str, Any]:
        """The JSON schema of its parameters."""
        return self.params.model_json_schema()
