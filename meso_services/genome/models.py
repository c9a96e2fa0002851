"""Front matter of zooids and operons, and what a loaded identity holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

MAX_FILE_BYTES = 1024 * 1024

Version = Annotated[str, Field(pattern=r"^v[1-9][0-9]{0,5}$")]
OperonName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=64)]
ZooidName = Annotated[str, Field(pattern=r"^[0-9]{2}-[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Line = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\n\r]+$")]
Capability = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$", max_length=64)]
Budget = Annotated[int, Field(ge=1, le=100_000)]
Text = Annotated[str, Field(min_length=1, max_length=100_000)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Triggers(_Strict):
    """What loads an operon. Words match whole words; patterns match in linear time."""

    words: tuple[Annotated[str, Field(min_length=1, max_length=100)], ...] = ()
    patterns: tuple[Annotated[str, Field(min_length=1, max_length=500)], ...] = ()


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
    capabilities: tuple[Capability, ...] = ()


class OperonTests(_Strict):
    """`operons/NAME/tests.yaml`: texts that must load the operon, and texts that must not."""

    loads: Annotated[tuple[Text, ...], Field(min_length=3)]
    does_not_load: Annotated[tuple[Text, ...], Field(min_length=3)]


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
