"""Identity loading: who an instance is, and which operons a text brings in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from meso_services.contract.common import Message, check_json

Text = Annotated[str, AfterValidator(check_json)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class IdentityParts(Message):
    """The hash of each part; see `identity_hash` for the canonical form."""

    genome: Sha256
    operons: Sha256
    zooids: Sha256


class IdentityReply(Message):
    """`GET /v1/identity`: one hash over genome, zooids and operons, and what it covers."""

    hash: Sha256
    generation: str = Field(description="The generation that it was read from")
    parts: IdentityParts
    zooid_versions: dict[str, str]
    operon_versions: dict[str, str]


class GenomeFile(Message):
    """One file of the genome."""

    path: str
    size: int = Field(description="Bytes")
    sha256: Sha256


class GenomeReply(Message):
    """`GET /v1/genome`: the standing orders and the list of all files."""

    hash: Sha256
    standing_orders: str
    files: tuple[GenomeFile, ...]


class Zooid(Message):
    """A part of the identity that is always loaded."""

    name: str
    version: str
    description: str
    tokens: int
    budget_tokens: int
    text: str


class ZooidsReply(Message):
    """`GET /v1/zooids`, in the order in which they are loaded."""

    zooids: tuple[Zooid, ...]


class OperonTriggers(Message):
    """What loads an operon."""

    words: tuple[str, ...]
    patterns: tuple[str, ...]


class OperonSummary(Message):
    """An operon without its text."""

    name: str
    version: str
    description: str
    tokens: int
    budget_tokens: int
    capabilities: tuple[str, ...]
    triggers: OperonTriggers


class Operon(OperonSummary):
    """`GET /v1/operons/{name}`."""

    text: str


class LoadProblem(Message):
    """Why a part is not loaded: its file, the key (may be empty) and what is wrong."""

    where: str
    key: str
    problem: str


class OperonsReply(Message):
    """`GET /v1/operons`: all that are loaded, and what kept others from loading."""

    operons: tuple[OperonSummary, ...]
    problems: tuple[LoadProblem, ...]


class MatchRequest(Message):
    """`POST /v1/operons/match`: a text, and the tokens that its operons may use."""

    text: Text = Field(max_length=200_000)
    budget_tokens: int | None = Field(
        default=None, ge=0, le=1_000_000, description="Instead of the configured budget"
    )


class MatchReason(Message):
    """One trigger that matched: as declared, what it found, and where (in characters)."""

    kind: Literal["word", "pattern"]
    trigger: str
    found: str
    offset: int


class MatchedOperon(Message):
    """An operon whose triggers matched."""

    name: str
    version: str
    tokens: int
    reasons: tuple[MatchReason, ...]


class MatchReply(Message):
    """What loads, and what matched but does not fit into the budget."""

    loaded: tuple[MatchedOperon, ...]
    left_out: tuple[MatchedOperon, ...]
    tokens: int
    budget_tokens: int
