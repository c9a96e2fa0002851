"""Messages by which memory is kept in a checkpoint and brought back, in two phases."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from meso_services.contract.common import Message

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Token = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
# Of a memory: below the directory, no part begins with a dot.
MemoryPath = Annotated[
    str,
    Field(
        max_length=1024,
        pattern=r"^[^\x00-\x1f\x7f/.][^\x00-\x1f\x7f/]*"
        r"(/[^\x00-\x1f\x7f/.][^\x00-\x1f\x7f/]*)*\.md$",
    ),
]
MOST_FILES = 100_000


class MemoryFile(Message):
    """One file. `hash` is its SHA-256."""

    path: MemoryPath
    size: int = Field(ge=0, le=2**53)
    hash: Sha256


class MemorySnapshot(Message):
    """`GET /v1/snapshot`: all memories. `hash` is over the sorted paths and hashes."""

    hash: Sha256
    files: tuple[MemoryFile, ...]


class ReadFile(Message):
    """`POST /v1/snapshot/read`: the bytes of one file, if it still has this hash."""

    path: MemoryPath
    hash: Sha256


class FileBytes(Message):
    """A file's bytes in base64."""

    hash: Sha256
    data: Annotated[str, Field(max_length=6 << 20, pattern=r"^[A-Za-z0-9+/]*={0,2}$")]


class PrepareRestore(Message):
    """`POST /v1/restores`: what memory is to become.

    `merge` adds what is missing and leaves every other memory; `checkpoint` makes it exactly
    this. What gives way is kept below `.restored/`, under the token.
    """

    token: Token
    mode: Literal["merge", "checkpoint"]
    files: Annotated[tuple[MemoryFile, ...], Field(max_length=MOST_FILES)]


class Prepared(Message):
    """What a commit would do. It cannot be committed while `missing` is not empty."""

    token: str
    missing: tuple[str, ...] = Field(description="Hashes of files whose bytes are not here")
    add: int
    replace: int
    remove: int


class RestoreState(Message):
    """`commit` and `abort`, which may be asked again."""

    token: str
    state: Literal["committed", "aborted"]
    kept_as: str = Field(default="", description="Below /meso/memory: what gave way")


class Nothing(Message):
    """A body without content."""
