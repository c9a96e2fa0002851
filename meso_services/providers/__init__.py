"""Tools that come from elsewhere (external MCP servers), under the same sandbox and policy.

A provider runs nothing itself: it says which command to run in the sandbox and reads what that
printed. So limits, cancellation, policy and audit are those of every other call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from meso_services.contract.tools import ToolInfo

# Bytes that a command prints at most for an answer that is whole.
MOST_ANSWER = 4 << 20


@dataclass(frozen=True)
class SandboxCommand:
    """A command for one call. `hosts` are asked of the policy like those of `bash`."""

    argv: Sequence[str]
    stdin: bytes = b""
    hosts: Sequence[str] = ()
    seconds: int | None = None


class Provider(Protocol):
    """A source of tools. The packages of the image's Python can be seen by its commands."""

    def tools(self) -> tuple[ToolInfo, ...]:
        """The tools, with their schemas. Asked once for each configuration."""

    def command(self, name: str, params: dict[str, Any]) -> SandboxCommand:
        """What to run for a call. Raises MesoError for parameters that do not fit."""

    def result(self, name: str, stdout: bytes) -> dict[str, Any]:
        """What the command's output means. Raises MesoError if it means a failure."""
