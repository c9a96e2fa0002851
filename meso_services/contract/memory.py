"""Memory: write one, read it back, search them all."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from meso_services.contract.common import Message, check_json
from meso_services.contract.snapshots import MemoryPath, Sha256


def _text(value: str) -> str:
    check_json(value)
    if "\0" in value:
        raise ValueError("text holds no NUL character; memories are not binary")
    return value


MemoryId = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Content = Annotated[str, Field(min_length=1, max_length=1_000_000), AfterValidator(_text)]
Tag = Annotated[str, Field(pattern=r"^[\w][\w./:+-]{0,63}$"), AfterValidator(check_json)]
Source = Annotated[
    str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$"), AfterValidator(_text)
]


class WriteRequest(Message):
    """`POST /v1/memories`: one fact, where it comes from, and what it is about."""

    content: Content = Field(description="Markdown")
    source: Source = Field(
        default="unspecified", description="Who or what it comes from, for example `operator`"
    )
    tags: tuple[Tag, ...] = Field(default=(), max_length=16)


class Provenance(Message):
    """Where else a memory came from: the same was written again."""

    source: str = ""
    at: str = Field(default="", description="ISO 8601")
    tags: str = Field(default="", description="What that writer tagged it with, in a row")


class Memory(Message):
    """A memory, as its file says it."""

    id: str
    path: str = Field(description="Below /meso/memory; in `archive/` if it is forgotten")
    created: str | None = Field(description="ISO 8601; null in a file written by hand without it")
    source: str | None
    tags: tuple[str, ...]
    content: str
    sha256: str = Field(default="", description="Of the file, for `if_sha256` of a change")
    forgotten: bool = False
    also: tuple[Provenance, ...] = Field(default=(), description="Other writers of the same")


class Contradiction(Message):
    """Another memory that cannot be true together with this one, and how that was seen."""

    id: str
    why: str


class WriteReply(Message):
    """The memory as kept. `created` is false when the same, or nearly, was there already."""

    memory: Memory
    created: bool
    recalled: tuple[str, ...] = Field(
        default=(), description="Memories that the text quoted; what was quoted is not kept again"
    )
    masked: bool = Field(default=False, description="Something like a secret was masked")
    contradicts: tuple[Contradiction, ...] = Field(
        default=(), description="Older memories; they fade faster from now on"
    )


class MemoryPage(Message):
    """`GET /v1/memories`: oldest first; `next` is the `after` of the next page."""

    memories: tuple[Memory, ...]
    next: str | None


class FileWrite(Message):
    """`PUT /v1/files`: what the memory at `path` says from now on; its front matter stays."""

    path: MemoryPath
    content: Content
    source: Source = "unspecified"
    tags: tuple[Tag, ...] | None = Field(default=None, max_length=16)
    if_sha256: Sha256 | None = Field(
        default=None, description="Only if the file is still this one, else 409"
    )


class FileAppend(Message):
    """`POST /v1/files/append`: text to add at the end of the memory at `path`."""

    path: MemoryPath
    content: Content
    source: Source = "unspecified"


class By(Message):
    """Who wants it, and why: kept in the memory's life."""

    source: Source = "unspecified"
    reason: Annotated[str, Field(max_length=500), AfterValidator(_text)] = ""


class Revert(Message):
    """`POST /v1/memories/{id}/revert`: to what it said at `commit`; null is before the newest."""

    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{7,40}$")] | None = None
    source: Source = "unspecified"


class Fade(Message):
    """`POST /v1/fade`: archive what nobody used or changed for `age_seconds` and is weak by now."""

    age_seconds: float = Field(ge=0, le=10**10)
    below: float = Field(default=0.25, ge=0, le=100, description="Strength under which it is weak")
    dry_run: bool = False
    source: Source = "unspecified"


class Faded(Message):
    """One memory that faded, or would."""

    id: str
    path: str
    strength: float
    title: str


class FadeReply(Message):
    """What was archived; `kept` are old enough and still strong. Nothing is deleted."""

    faded: tuple[Faded, ...]
    kept: int
    dry_run: bool


class LifeEvent(Message):
    """Something that happened to a memory. `time` in ISO 8601."""

    time: str
    kind: str
    by: str = ""
    path: str = ""
    other: str = ""
    about: str = ""


class Commit(Message):
    """One change in the history. The memory can be brought back to what it said then."""

    commit: str
    author: str
    time: str
    message: str
    paths: tuple[str, ...]


class History(Message):
    """`GET /v1/memories/{id}/history`, newest first."""

    id: str
    commits: tuple[Commit, ...]
    pending: str = Field(default="", description="Why the newest changes are not in git yet")


class Why(Message):
    """`GET /v1/memories/{id}/why`: how strong it is, and its whole life."""

    id: str
    path: str
    state: Literal["in use", "forgotten", "gone", "purged"]
    strength: float
    age_days: float
    half_life_days: float = Field(description="As it fades now, with contradictions counted")
    uses: int
    last_sign_of_life: str
    contradicted_by: tuple[str, ...]
    contradicts: tuple[str, ...]
    events: tuple[LifeEvent, ...]
    explained: str = Field(description="How the strength comes about, in words")


class Receipt(Message):
    """`POST /v1/memories/{id}/purge`: what is gone from where, and what is not."""

    id: str
    time: str
    files: tuple[str, ...] = Field(description="Paths that were removed, archived ones too")
    hashes: tuple[str, ...] = Field(description="SHA-256 of every version that was removed")
    commits_rewritten: int = Field(description="Commits of the history that held it")
    kept_copies: int = Field(description="Copies in what restores had put aside, removed")
    checkpoints: str = Field(description="What the session manager says of its checkpoints")
    backups: str
    not_covered: str


class Stats(Message):
    """`GET /v1/stats`."""

    memories: int
    forgotten: int
    contradicted: int
    by_source: dict[str, int]
    by_tag: dict[str, int]
    strength: dict[str, int] = Field(description="How many are that strong, by the lower bound")
    events: int
    engine: str
    model: str
    without_vector: int
    commits_pending: str


class Reindexed(Message):
    """`POST /v1/reindex`."""

    memories: int
    seconds: float


class Sync(Message):
    """`POST /v1/sync`: exchange memories with `remote`, an absolute path of this machine: a bare
    repository, or another instance's memory directory.
    """

    remote: Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_text)]
    dry_run: bool = False


class SyncReply(Message):
    """What changed here (`taken`, `removed`) and there (`given`). `conflicts` are ids of which
    both texts are kept.
    """

    taken: int
    removed: int
    given: int
    conflicts: tuple[str, ...]
    purged: tuple[str, ...] = Field(description="Ids that the other side had purged")
    left_out: int = Field(description="Files of the other side that no memory can be")
    head: str = Field(description="The newest commit afterwards; equal on both sides if `settled`")
    settled: bool
    dry_run: bool
    note: str = ""


class RelatedRequest(Message):
    """`POST /v1/related`: to a memory, or to the text of a conversation."""

    memory: MemoryId | None = None
    text: Annotated[str, Field(max_length=200_000), AfterValidator(_text)] = ""
    limit: int = Field(default=5, ge=1, le=100)
    use: bool = Field(default=True, description="Being shown strengthens a memory a little")


class RelatedHit(Message):
    """A related memory. `similarity` is the cosine of the embeddings, null without them."""

    id: str
    path: str
    title: str
    similarity: float | None
    strength: float
    why: str
    content: str


class RelatedReply(Message):
    """`context` is the memories' text, tagged, ready for a prompt: it is not stored again."""

    hits: tuple[RelatedHit, ...]
    context: str


class SearchHit(Message):
    """A memory that was found, and why it ranks where it does."""

    id: str
    path: str
    created: str | None
    source: str | None
    tags: tuple[str, ...]
    snippet: str = Field(description="Part of the text, with the words that were found in **bold**")
    score: float = Field(description="What the order follows; larger is better")
    matched: tuple[str, ...] = Field(description="Words of the query that occur in it")
    missing: tuple[str, ...] = Field(description="Words of the query that do not")
    bm25: float | None = Field(default=None, description="Of the words; null if none matched")
    similarity: float | None = Field(default=None, description="Cosine of the embeddings")
    strength: float = Field(default=1.0, description="1 at birth; see docs/memory.md")
    age_days: float = 0.0
    contradicted_by: tuple[str, ...] = ()
    why: str = Field(default="", description="How the score comes about")
    quote: str = Field(default="", description="The snippet, tagged as memory, for a prompt")


class SearchReply(Message):
    """`GET /v1/search`, best first."""

    hits: tuple[SearchHit, ...]
    words: tuple[str, ...] = Field(description="The words that were searched for")
    searched: int = Field(description="Number of memories in the index")
    meaning: str = Field(default="", description="Empty, or why embeddings took no part")


class Theme(Message):
    """Memories of one theme, named from their own words; `members` are ids, most typical first."""

    name: str
    words: tuple[str, ...]
    members: tuple[str, ...]
    coherence: float = Field(description="Mean cosine of its memories to its middle")


class ThemesReply(Message):
    """`GET /v1/themes`, the largest first; `none` are memories of no theme."""

    themes: tuple[Theme, ...]
    none: tuple[str, ...]
    left_out: int = Field(description="Memories that were not looked at: too many, or no vector")


class MapReply(Message):
    """`GET /v1/map`: the landscape as a picture; `data` in base64."""

    format: Literal["png", "html"]
    method: Literal["tsne", "pca"]
    data: str


class Check(Message):
    """`POST /v1/memories/{id}/check`: ask a model, through the API proxy, what contradicts it."""

    model: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_text)]


class Checked(Message):
    """Which memories were compared, and which the model says cannot be true beside this one."""

    id: str
    model: str
    compared: tuple[str, ...]
    contradicts: tuple[Contradiction, ...]
