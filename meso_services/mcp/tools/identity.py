"""Identity as tools: who the agent is, and which knowledge a text calls for."""

from __future__ import annotations

from pydantic import Field

from meso_services.contract import identity as wire
from meso_services.contract.common import Message
from meso_services.mcp.backend import Backend
from meso_services.mcp.tools.spec import Nothing, ToolSpec

SERVICE = "operon-loader"


class Asked(Message):
    """A text, and the tokens that its operons may use."""

    text: wire.Text = Field(max_length=200_000)
    budget_tokens: int | None = Field(default=None, ge=0, le=1_000_000)


class LoadedOperons(Message):
    """The operons that a text loads, whole, and why."""

    operons: tuple[wire.Operon, ...]
    match: wire.MatchReply


def _hash(backend: Backend, _: Nothing) -> wire.IdentityReply:
    with backend.service(SERVICE) as connection:
        return connection.get("/v1/identity", wire.IdentityReply)


def _genome(backend: Backend, _: Nothing) -> wire.GenomeReply:
    with backend.service(SERVICE) as connection:
        return connection.get("/v1/genome", wire.GenomeReply)


def _zooids(backend: Backend, _: Nothing) -> wire.ZooidsReply:
    with backend.service(SERVICE) as connection:
        return connection.get("/v1/zooids", wire.ZooidsReply)


def _operons(backend: Backend, wanted: Asked) -> LoadedOperons:
    question = wire.MatchRequest.model_validate(wanted.model_dump(exclude_unset=True))
    with backend.service(SERVICE) as connection:
        match = connection.post("/v1/operons/match", question, wire.MatchReply, once=True)
        found = [connection.get(f"/v1/operons/{o.name}", wire.Operon) for o in match.loaded]
    return LoadedOperons(operons=tuple(found), match=match)


TOOLS = (
    ToolSpec(
        "get_identity_hash",
        "The hash over everything that makes up this agent's identity, and the versions in it.",
        Nothing,
        _hash,
    ),
    ToolSpec("load_genome", "The standing orders, and every file of the genome.", Nothing, _genome),
    ToolSpec("load_zooids", "The parts of the identity that are always loaded.", Nothing, _zooids),
    ToolSpec(
        "load_operons",
        "The knowledge that a text calls for, whole, with the reasons.",
        Asked,
        _operons,
    ),
)
