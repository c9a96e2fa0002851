"""Tool execution: workspaces, and reading a file in the sandbox."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from meso_services.contract.common import Message, check_json

# A directory's name; a leading dot is reserved for the service itself.
WorkspaceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]


def _usable_path(path: str) -> str:
    check_json(path)
    if "\0" in path:
        raise ValueError("a path holds no NUL character")
    return path


ToolPath = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_usable_path)]


class WorkspaceRef(Message):
    """A workspace: the files that one branch of one session works on."""

    session: WorkspaceName
    branch: WorkspaceName = "main"


class WorkspaceReply(Message):
    """`POST /v1/workspaces`: the workspace is there; `created` says whether it is new."""

    session: str
    branch: str
    created: bool


class WorkspacesReply(Message):
    """`GET /v1/workspaces`, in order of session and branch."""

    workspaces: tuple[WorkspaceRef, ...]


class ReadRequest(WorkspaceRef):
    """`POST /v1/tools/read`: a range of a file's lines.

    `path` is relative to the workspace, or absolute below `/workspace`, as tools see it.
    """

    path: ToolPath
    offset: int = Field(default=1, ge=1, le=2**53, description="First line, counted from 1")
    limit: int = Field(default=2000, ge=1, le=100_000, description="Number of lines")


class ReadReply(Message):
    """What a file holds, and what of it this answer leaves out.

    Text comes as lines without their line feed. A file with NUL bytes is binary: its first
    bytes come in base64 and `lines` is empty.
    """

    path: str = Field(description="As tools see it, below /workspace, with links resolved")
    size: int = Field(description="The whole file, in bytes")
    kind: Literal["text", "binary"]
    encoding: str | None = Field(description="Of text: utf-8, utf-8-sig or utf-16")
    lines: tuple[str, ...]
    first_line: int
    next_offset: int | None = Field(description="Where to read on; null at the file's end")
    cut_lines: tuple[int, ...] = Field(description="Lines of which only the beginning is here")
    escaped_lines: tuple[int, ...] = Field(
        description="Lines that are not valid in the encoding; the bytes are shown as \\xNN"
    )
    base64: str | None = Field(description="Of a binary file: its first bytes")
