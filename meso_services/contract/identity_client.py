"""The protocol's identity functions, by the operon loader."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from meso_services.contract.client import Connection
from meso_services.contract.identity import (
    GenomeReply,
    IdentityReply,
    LoadReply,
    MatchReply,
    MatchRequest,
    Zooid,
    ZooidsReply,
)


class Identity:
    """The operon loader's calls that every platform needs. They raise CallError."""

    def __init__(self, connection: Connection) -> None:
        self._call = connection

    def get_identity_hash(self) -> str:
        """One hash over everything that makes up the identity (hexadecimal)."""
        return self.record().hash

    def record(self, *, files: bool = False) -> IdentityReply:
        """The hash and what it covers, as a checkpoint keeps it."""
        return self._call.get("/v1/identity", IdentityReply, files=files or None)

    def load_genome(self) -> GenomeReply:
        """The standing orders, and the list of the genome's files."""
        return self._call.get("/v1/genome", GenomeReply)

    def load_zooids(self) -> tuple[Zooid, ...]:
        """All zooids with their texts, in order."""
        return self._call.get("/v1/zooids", ZooidsReply).zooids

    def load_operons(self, triggers: MatchRequest) -> LoadReply:
        """The operons that a situation calls, with their texts and the reasons."""
        return self._call.post("/v1/operons/load", triggers, LoadReply, once=True)

    def why(self, triggers: MatchRequest) -> MatchReply:
        """The same without the texts."""
        return self._call.post("/v1/operons/match", triggers, MatchReply, once=True)


def triggers(
    text: str,
    *,
    files: Sequence[str] = (),
    tools: Sequence[str] = (),
    tasks: Sequence[str] = (),
    now: datetime | None = None,
) -> MatchRequest:
    """What operons are held against. Only what was given is sent."""
    given = {"text": text, "files": files, "tools": tools, "tasks": tasks, "now": now}
    return MatchRequest.model_validate({key: value for key, value in given.items() if value})
