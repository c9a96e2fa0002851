"""The services behind the MCP server, reached over their sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from meso_services.contract.client import RUN, Connection

# A tool may run long; the executor ends it by its own limit.
CALL_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Backend:
    """Where the sockets are. Its calls block: use them in a thread, each its own connection."""

    run: Path = RUN
    patience: float = 15.0

    @contextmanager
    def service(self, name: str, *, timeout: float = 60.0) -> Iterator[Connection]:
        """A connection to the service `name`."""
        with Connection(name, self.run, timeout=timeout, patience=self.patience) as connection:
            yield connection


@dataclass(frozen=True)
class Binding:
    """The workspace that calls work in. A pinned one cannot be changed by an argument."""

    session: str = "mcp"
    branch: str = "main"
    pinned: bool = False
