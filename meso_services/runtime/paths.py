"""Where things are on the appliance. Tests and development move all of it under another root."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """Every directory the services agree on, below `root` (`/` on the appliance)."""

    root: Path = Path("/")

    @property
    def meso(self) -> Path:
        """The agent's own data."""
        return self.root / "meso"

    @property
    def genome(self) -> Path:
        return self.meso / "genome"

    @property
    def zooids(self) -> Path:
        return self.meso / "zooids"

    @property
    def operons(self) -> Path:
        return self.meso / "operons"

    @property
    def sessions(self) -> Path:
        return self.meso / "sessions"

    @property
    def checkpoints(self) -> Path:
        return self.meso / "checkpoints"

    @property
    def memory(self) -> Path:
        return self.meso / "memory"

    @property
    def minds(self) -> Path:
        return self.meso / "minds"

    @property
    def workspaces(self) -> Path:
        return self.meso / "workspaces"

    @property
    def scratchpad(self) -> Path:
        return self.meso / "scratchpad"

    @property
    def run(self) -> Path:
        """Sockets and the link to the active generation."""
        return self.root / "run/meso"

    @property
    def current(self) -> Path:
        """Symlink to the active generation."""
        return self.run / "current"

    @property
    def factory(self) -> Path:
        """Generation 0, in the verified root."""
        return self.root / "usr/share/meso/factory"

    def generation(self) -> Path | None:
        """The generation that counts now: the active one, else generation 0, else none."""
        for candidate in (self.current, self.factory):
            if candidate.is_dir():
                return candidate.resolve()
        return None

    def socket(self, service: str) -> Path:
        return self.run / f"{service}.sock"

    def private(self, service: str) -> Path:
        """State of a service that is not part of the agent's own data."""
        return self.root / "var/lib/meso" / service
