"""Front matter of zooids and operons, and what a loaded identity holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_FILE_BYTES = 1024 * 1024

Version = Annotated[str, Field(pattern=r"^v[1-9][0-9]{0,5}$")]
OperonName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=64)]
ZooidName = Annotated[str, Field(pattern=r"^[0-9]{2}-[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Line = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\n\r]+$")]
Capability = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$", max_length=64)]
Budget = Annotated[int, Field(ge=1, le=100_000)]
Text = Annotated[str, Field(min_length=1, max_length=100_000)]
Short = Annotated[str, Field(min_length=1, max_length=100)]
Requirement = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*(>=v[1-9][0-9]{0,5})?$", max_length=80)
]


# `generation`: from the genome. `instance`: the appliance's own folder. `registry`: added
# from there. `lazy`: approved, its text comes from the registry when it is called for.
Origin = Literal["generation", "instance", "registry", "lazy"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Similar(_Strict):
    """Texts whose meaning loads an operon, and how near (cosine, 0 to 1) a message must come."""

    texts: Annotated[tuple[Line, ...], Field(min_length=1, max_length=20)]
    at_least: Annotated[float, Field(gt=0, lt=1)] = 0.6


class Triggers(_Strict):
    """What loads an operon; one that matches is enough. Patterns match in linear time."""

    words: tuple[Short, ...] = Field((), description="Words and phrases; `*` ends a word")
    patterns: tuple[Annotated[str, Field(min_length=1, max_length=500)], ...] = Field(
        (), description="Regular expressions without back references and look-around"
    )
    files: tuple[Short, ...] = Field((), description="Globs over file names: `*.py`, `docs/**`")
    tools: tuple[Short, ...] = Field((), description="Names of tools in use; `*` ends a name")
    tasks: tuple[Short, ...] = Field((), description="Words and phrases in the open tasks")
    times: tuple[Short, ...] = Field(
        (), description="Windows: `mon-fri 08:00-18:00`, `day 1,15`, `22:00-06:00`"
    )
    similar: Similar | None = Field(None, description="Judged by the embedding model, if there")


class ZooidHead(_Strict):
    """Front matter of `zooids/NN-NAME.md`."""

    name: ZooidName
    version: Version
    description: Line
    budget_tokens: Budget = 2000


class OperonHead(_Strict):
    """Front matter of `operons/NAME/OPERON.md`."""

    name: OperonName
    version: Version
    description: Line
    budget_tokens: Budget
    triggers: Triggers
    capabilities: Annotated[tuple[Capability, ...], Field(max_length=50)] = Field(
        (), description="What the text expects to be able to do: asked for, never granted"
    )
    requires: Annotated[tuple[Requirement, ...], Field(max_length=20)] = Field(
        (), description="Operons that load with it: `NAME`, or `NAME>=vN`"
    )


class Case(_Strict):
    """A test beyond a text: the files, tools, tasks and time that go with it."""

    text: Annotated[str, Field(max_length=100_000)] = ""
    files: tuple[Line, ...] = ()
    tools: tuple[Line, ...] = ()
    tasks: tuple[Line, ...] = ()
    now: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$")] | None = None
    similar: bool = Field(False, description="Judged only where the embedding model is there")


class OperonTests(_Strict):
    """`operons/NAME/tests.yaml`: what must load the operon, and what must not."""

    loads: Annotated[tuple[Text | Case, ...], Field(min_length=3)]
    does_not_load: Annotated[tuple[Text | Case, ...], Field(min_length=3)]


# Of an operon that is known by its approval only.
NO_TESTS = OperonTests.model_construct(loads=(), does_not_load=())


@dataclass(frozen=True)
class Zooid:
    """A zooid: always loaded, in order of its name. `tokens` counts the text."""

    head: ZooidHead
    text: str
    tokens: int


@dataclass(frozen=True)
class Operon:
    """An operon: loaded by its triggers. `tokens` counts the text."""

    head: OperonHead
    text: str
    tokens: int
    tests: OperonTests


@dataclass(frozen=True)
class GenomeFile:
    """One file of the genome: path relative to it, size in bytes, SHA-256 in hexadecimal."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Problem:
    """Something that keeps a part from loading: file, key (may be empty), what is wrong."""

    where: str
    key: str
    problem: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.problem) if part)


def count_tokens(text: str) -> int:
    """Estimate a text's tokens: four bytes of UTF-8 each, rounded up.

    Tokenizers differ between models; a budget must be the same number on every
    machine. The estimate is a little high for English prose, by design.
    """
    return -(-len(text.encode()) // 4)
