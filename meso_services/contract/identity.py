"""Identity loading: who an instance is, and which operons a situation brings in."""

from __future__ import annotations

from datetime import datetime
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


class Difference(Message):
    """One file in which an instance differs from its generation."""

    part: Literal["genome", "operons", "zooids"]
    path: str
    change: Literal["added", "changed", "removed"]


class IdentityReply(Message):
    """`GET /v1/identity?files=`: one hash over genome, zooids and operons, and what it covers.

    This is what a checkpoint keeps as `identity`.
    """

    hash: Sha256
    generation: str = Field(description="The generation that it was read from")
    parts: IdentityParts
    zooid_versions: dict[str, str]
    operon_versions: dict[str, str]
    declared: Sha256 | None = Field(
        default=None, description="The generation's own hash; other than `hash` with local changes"
    )
    local: tuple[Difference, ...] = Field(
        default=(), description="Where the instance differs from its generation"
    )
    conflicts: tuple[str, ...] = Field(
        default=(), description="Zooids whose local edit and update contradict each other"
    )
    files: dict[str, dict[str, Sha256]] | None = Field(
        default=None, description="With `files=true`: part → path → SHA-256"
    )


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


class GenomeText(Message):
    """`GET /v1/genome/files/{path}`: one file of the genome, as text."""

    path: str
    sha256: Sha256
    text: str


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


class SimilarTrigger(Message):
    """Texts whose meaning loads an operon, and the least cosine."""

    texts: tuple[str, ...]
    at_least: float


class OperonTriggers(Message):
    """What loads an operon; one that matches is enough."""

    words: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    similar: SimilarTrigger | None = None


Origin = Literal["generation", "instance", "registry", "lazy"]


class OperonSummary(Message):
    """An operon without its text."""

    name: str
    version: str
    description: str
    tokens: int
    budget_tokens: int
    capabilities: tuple[str, ...]
    triggers: OperonTriggers
    requires: tuple[str, ...] = ()
    origin: Origin = Field(
        default="generation",
        description="`instance`: its own folder; `lazy`: the text comes when it is called for",
    )


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


Name = Annotated[str, Field(max_length=1000), AfterValidator(check_json)]


class MatchRequest(Message):
    """`POST /v1/operons/match` and `/load`: a message, what goes on around it, and a budget."""

    text: Text = Field(default="", max_length=200_000)
    files: tuple[Name, ...] = Field(default=(), max_length=500, description="Files in hand")
    tools: tuple[Name, ...] = Field(default=(), max_length=500, description="Tools in use")
    tasks: tuple[Name, ...] = Field(default=(), max_length=500, description="Open tasks' subjects")
    now: datetime | None = Field(
        default=None, description="Local time; the appliance's own when it is not given"
    )
    budget_tokens: int | None = Field(
        default=None, ge=0, le=1_000_000, description="Instead of the configured budget"
    )


class MatchReason(Message):
    """One trigger that matched: as declared, what it found, and where (in characters)."""

    kind: Literal["word", "pattern", "file", "tool", "task", "time", "similar", "required"]
    trigger: str
    found: str
    offset: int | None = Field(default=None, description="Null for what is not in the text")


class MatchedOperon(Message):
    """An operon that is called, and why. `note` says what was short when it is left out."""

    name: str
    version: str
    tokens: int
    reasons: tuple[MatchReason, ...]
    note: str = ""


class MatchReply(Message):
    """What loads, in order, and what matched but does not fit into the budget.

    `notes` say what was not judged, and why.
    """

    loaded: tuple[MatchedOperon, ...]
    left_out: tuple[MatchedOperon, ...]
    tokens: int
    budget_tokens: int
    notes: tuple[str, ...] = ()


class LoadedText(Message):
    """One operon's text."""

    name: str
    version: str
    text: str


class LoadReply(MatchReply):
    """`POST /v1/operons/load`: the same, with the texts.

    An operon whose text could not be brought stands in `left_out` with the reason.
    """

    texts: tuple[LoadedText, ...]
