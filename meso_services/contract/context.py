"""Messages of what a model is sent: context, compaction, search, usage."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from meso_services.contract.common import Message, check_json
from meso_services.contract.session import BranchName

CompactStrategy = Literal["keep-recent", "extract", "summarise"]
Tokens = Annotated[int, Field(ge=1, le=100_000_000)]
Instructions = Annotated[str, Field(max_length=4096), AfterValidator(check_json)]


class Context(Message):
    """`GET …/context`: what to send to a model, in the shape of the Messages API.

    Roles alternate and begin with `user`; each tool call is followed by its results. `system`
    holds what the session itself says; the identity is not part of a session and goes before it.
    """

    session: str
    branch: str
    tip: str | None
    system: str
    messages: tuple[dict[str, Any], ...]
    tokens: int = Field(description="An estimate of the size of all of it")
    budget: int
    left_out: int = Field(description="Messages on the way to the tip that are not in it")
    compaction: str | None = Field(description="The compaction whose summary it begins with")
    over_budget: bool = Field(description="Even the last request and its last step do not fit")
    mended: tuple[str, ...] = Field(
        default=(), description="What had to be added or moved to pass the API's rules"
    )


class Compact(Message):
    """`POST …/compact`: add an entry that stands for the older part of a branch.

    Nothing happens until the context is larger than `over`, and then it is cut to about `keep`:
    the distance between them is what keeps a session from being compacted again and again.
    """

    branch: BranchName | None = None
    strategy: CompactStrategy = "extract"
    keep: Tokens = Field(default=20_000, description="Tokens of recent entries that stay")
    over: Tokens | None = Field(default=None, description="Twice `keep` if left out")
    instructions: Instructions = Field(default="", description="For the summariser")
    force: bool = Field(default=False, description="Also below `over`")


class Compacted(Message):
    """What a compaction did; `reason` says why it did nothing."""

    branch: str
    entry: str | None
    strategy: str
    fallback: str = Field(default="", description="Why it is not the strategy that was asked for")
    first_kept: str | None
    tokens_before: int
    tokens_after: int
    summary: str
    compacted: bool
    reason: str = ""


class SessionHit(Message):
    """An entry that was found."""

    session: str
    entry: str
    type: str
    timestamp: str
    snippet: str = Field(description="Part of the text, with the words that were found in **bold**")
    score: float = Field(description="BM25; larger is better")
    branches: tuple[str, ...] = Field(description="Branches that have it")


class SessionHits(Message):
    """`GET /v1/search`, best first."""

    hits: tuple[SessionHit, ...]
    behind: int = Field(description="Entries that were not indexed yet when this was answered")


class UsageRow(Message):
    """What the models used for one session, branch and model. Cost is in US dollars."""

    session: str
    branch: str
    provider: str
    model: str
    answers: int
    input: int
    output: int
    cache_read: int
    cache_write: int
    cost: float


class UsageReply(Message):
    """`GET /v1/usage` and `GET …/usage`."""

    rows: tuple[UsageRow, ...]
    total: UsageRow
