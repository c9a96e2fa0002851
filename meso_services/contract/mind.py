"""Minds: initialise a session directory, and look into it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from meso_services.contract.common import JsonObject, Message, check_json

MindName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


def _text(value: str) -> str:
    check_json(value)
    if "\0" in value:
        raise ValueError("text holds no NUL character")
    return value


Prompt = Annotated[str, Field(min_length=1, max_length=200_000), AfterValidator(_text)]


MindId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
Model = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_text)]


class CreateMind(Message):
    """`POST /v1/minds`: a new mind; `prompt` becomes the first message to it."""

    name: MindName
    prompt: Prompt | None = None
    offline: bool = False


class MindConfig(Message):
    """`config` of `session.yaml`, with the defaults that a new session gets."""

    k_samples: int = Field(default=5, ge=0, description="Thoughts sampled per iteration")
    active_pool_size: int = Field(default=50, ge=1, description="Size of the thinking pool")
    message_buffer_per_source: int = Field(
        default=10, ge=1, description="Messages kept in the pool per source"
    )
    model: str = Field(default="anthropic/claude-haiku-4.5", min_length=1)
    token_limit: int = Field(default=4000, ge=1, description="Most tokens of a reply")
    embedding_model: str = Field(default="openai/text-embedding-3-small", min_length=1)
    embedding_dim: int = Field(default=1536, ge=1, description="Length of an embedding")
    min_cluster_size: int = Field(
        default=3, ge=2, description="Fewest thoughts that make a new cluster"
    )
    centroid_match_threshold: float = Field(
        default=0.3, ge=0, le=2, description="Largest cosine distance to a cluster's centroid"
    )
    # Beyond the seed's nine: none of them stands in `session.yaml` before it is set.
    minds: dict[MindId, Model] = Field(
        default_factory=dict, max_length=16, description="Further minds and their models"
    )
    seed: int | None = Field(default=None, description="Makes the sampling repeatable")
    drafts: bool = Field(default=False, description="Draft dialogue: the mind proposes, you accept")
    presence: Literal["absent", "reviewing", "engaged"] | None = Field(
        default=None, description="The user's presence, as the mind is told"
    )
    split_below: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Split a cluster whose coherence falls below this; without it none is split",
    )
    auditors: tuple[str, ...] = Field(
        default=(), max_length=16, description="Programs or `module:function` around an iteration"
    )

    def written(self) -> dict[str, Any]:
        """The keys as they stand in `session.yaml`: the seed's nine, then what was set."""
        extra = set(EXTRA) & {k for k in EXTRA if getattr(self, k) != _default(k)}
        return self.model_dump(mode="json", exclude=set(EXTRA) - extra)


EXTRA = ("minds", "seed", "drafts", "presence", "split_below", "auditors")


def _default(key: str) -> Any:
    return MindConfig.model_fields[key].get_default(call_default_factory=True)


class ThinkingPool(Message):
    """The thinking pool: all thoughts there have been, and how many are in the pool now."""

    thoughts: int
    active: int


class MessagePool(Message):
    """The message pool: messages that there have been, by source."""

    messages: int
    by_source: dict[str, int]


class Mind(Message):
    """`GET /v1/minds/{name}`: what a session directory holds."""

    name: str
    iteration: int
    config: MindConfig
    thinking_pool: ThinkingPool
    message_pool: MessagePool
    clusters: int
    interventions: int


class MindSummary(Message):
    """One line of the list. `problem` is empty, or says why the mind cannot be used."""

    name: str
    iteration: int | None
    problem: str = ""


class MindsReply(Message):
    """`GET /v1/minds`, in order of their names."""

    minds: tuple[MindSummary, ...]


class SayRequest(Message):
    """`POST /v1/minds/{name}/messages`."""

    text: Prompt
    to: MindId = "mind_0"


class SayReply(Message):
    """The message's number."""

    message: int


class RunRequest(Message):
    """`POST /v1/minds/{name}/run`: so many iterations, or until it says something."""

    iterations: int | None = Field(default=None, ge=1, le=100_000)
    max: int = Field(default=50, ge=1, le=100_000)
    debug: bool = Field(default=False, description="keep the whole requests and replies of one")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.debug and self.iterations != 1:
            raise ValueError("debug is for one iteration")
        return self


class DebugPart(Message):
    """A whole request to a model, or its reply."""

    what: Literal["request", "reply"]
    text: str


class RunState(Message):
    """`GET /v1/minds/{name}/run`: the latest run. `reports` are those after `after`, `debug` what
    was kept after the first `shown` parts.
    """

    state: Literal["none", "running", "ended", "failed"]
    reports: tuple[JsonObject, ...] = ()
    count: int = 0
    error: str = ""
    debug: tuple[DebugPart, ...] = ()


class ConfigRequest(Message):
    """`POST /v1/minds/{name}/config`: keys to set, as they stand in `session.yaml`."""

    set: JsonObject


class CalibrateRequest(Message):
    """`POST /v1/minds/{name}/calibrate`: measure the mind's embedding model, or another one, on
    texts of known themes (without any, on those that come with the program).
    """

    texts: dict[str, tuple[Prompt, ...]] | None = Field(default=None, max_length=1000)
    model: Model | None = None


class CalibrateReply(Message):
    """The threshold that fits the model, and why."""

    answer: JsonObject


class ClustersReply(Message):
    """`GET /v1/minds/{name}/clusters`."""

    clusters: tuple[JsonObject, ...]


class MembersReply(Message):
    """`GET /v1/minds/{name}/clusters/{cluster}`, oldest member first."""

    members: tuple[JsonObject, ...]


class PoolsReply(Message):
    """`GET /v1/minds/{name}/pools`: both pools as they are now, and the drafts that wait."""

    iteration: int
    presence: Literal["absent", "reviewing", "engaged"] | None
    thoughts: tuple[JsonObject, ...]
    messages: tuple[JsonObject, ...]
    drafts: tuple[JsonObject, ...]


class HistoryReply(Message):
    """`GET /v1/minds/{name}/history`: messages and interventions, oldest first."""

    history: tuple[JsonObject, ...]


Analysis = Literal[
    "overview",
    "diversity",
    "novelty",
    "attractors",
    "clusters",
    "trajectory",
    "impact",
    "lineage",
    "windows",
    "compare",
]


class AnalysisQuery(Message):
    """`GET /v1/minds/{name}/analysis/{what}`: the numbers of an analysis; each has a default."""

    points: int | None = Field(default=None, ge=1, le=1000)
    span: int | None = Field(default=None, ge=1, le=10_000)
    of: Literal["thought", "message"] | None = None
    number: int | None = Field(default=None, ge=0)
    depth: int | None = Field(default=None, ge=1, le=100)
    size: int | None = Field(default=None, ge=1, le=100_000)
    step: int | None = Field(default=None, ge=1, le=100_000)
    other: MindName | None = Field(default=None, description="compare: the other mind")
    embed: bool = Field(default=False, description="impact: embed the messages for their pull")


class AnalysisReply(Message):
    """The answer: rows, or one object (`answer` then holds it alone)."""

    rows: bool
    answer: tuple[JsonObject, ...]


class PlotReply(Message):
    """`GET /v1/minds/{name}/plot`: a page, and PNG files in base64 by name."""

    page: str
    pictures: dict[str, str]


class ExtractRequest(Message):
    """`POST /v1/minds/{name}/extract`: a new mind of the iterations `first` to `last`, which is
    not part of it; without `last` to the end.
    """

    name: MindName
    first: int = Field(default=0, ge=0)
    last: int | None = Field(default=None, ge=0)


class SplitRequest(Message):
    """`POST /v1/minds/{name}/clusters/{cluster}/split`."""

    dry_run: bool = False


class SplitReply(Message):
    """The clusters that came of it, or would; none when it is of one piece."""

    clusters: tuple[JsonObject, ...]


class DraftsReply(Message):
    """`GET /v1/minds/{name}/drafts`: those that wait."""

    drafts: tuple[JsonObject, ...]


class AcceptRequest(Message):
    """`POST /v1/minds/{name}/accept`."""

    draft: int = Field(ge=0)
