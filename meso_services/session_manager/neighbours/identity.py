"""Who the agent is, which the operon loader knows."""

from __future__ import annotations

from pathlib import Path

from meso_services.contract.identity import IdentityReply
from meso_services.contract.identity_client import Identity
from meso_services.session_manager.neighbours.workspaces import ask


class Identities:
    """Asks the operon loader on its socket below `run`."""

    def __init__(self, run: Path) -> None:
        self._run = run

    def record(self) -> IdentityReply:
        """The identity now. Raises MesoError."""
        return ask(self._run, "operon-loader", lambda connection: Identity(connection).record())
