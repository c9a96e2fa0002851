"""What each built-in tool takes and gives. The tool's name is `tool` of the call."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from meso_services.contract.common import JsonObject, Message, check_json


def _usable_path(path: str) -> str:
    check_json(path)
    if "\0" in path:
        raise ValueError("a path holds no NUL character")
    return path


def _usable_text(text: str) -> str:
    check_json(text)
    return text


# Linux takes no longer word of a command line.
MOST_COMMAND = (128 << 10) - 1


def _usable_command(text: str) -> str:
    check_json(text)
    if "\0" in text:
        raise ValueError("a command holds no NUL character")
    if len(text.encode()) > MOST_COMMAND:
        raise ValueError(
            f"a command has at most {MOST_COMMAND} bytes; write it to a file, and run that"
        )
    return text


# Relative to the workspace, or absolute below /workspace, as tools see it.
ToolPath = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_usable_path)]
FileText = Annotated[str, Field(max_length=4 << 20), AfterValidator(_usable_text)]
ShellText = Annotated[
    str, Field(min_length=1, max_length=MOST_COMMAND), AfterValidator(_usable_command)
]
ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
# A name and perhaps a port: `pkg.test`, `pkg.test:443`.
HostName = Annotated[
    str,
    Field(
        max_length=259,
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?"
        r"(\.[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?)*(:[0-9]{1,5})?$",
    ),
]


class ReadParams(Message):
    """`read`: a range of a file's lines."""

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


class WriteParams(Message):
    """`write`: a whole file, made or replaced. Parents that are missing are made."""

    path: ToolPath
    content: FileText = Field(description="Text, or bytes if `encoding` is base64")
    encoding: Literal["utf-8", "base64"] = "utf-8"
    create_only: bool = Field(default=False, description="Refuse a file that is there already")


class WriteReply(Message):
    """The file that was written."""

    path: str
    size: int = Field(description="Bytes")
    sha256: str
    created: bool = Field(description="False if a file was replaced; it kept its mode")


class EditParams(Message):
    """`edit`: replace a text that occurs exactly once, or every time with `replace_all`.

    A line feed in `old` and `new` stands for the file's own line ending.
    """

    path: ToolPath
    old: FileText = Field(min_length=1)
    new: FileText
    replace_all: bool = False


class EditReply(Message):
    """What was changed. Encoding, line endings and mode are the file's own."""

    path: str
    replacements: int
    first_line: int = Field(description="Line of the first replacement, from 1")
    size: int
    sha256: str
    encoding: str
    line_ending: Literal["lf", "crlf", "cr", "mixed", "none"]


class BashParams(Message):
    """`bash`: a command line, run by bash in the workspace. Nothing is kept but the files."""

    command: ShellText
    stdin: FileText = Field(default="", description="Standard input")
    hosts: tuple[HostName, ...] = Field(
        default=(), max_length=16, description="Hosts to reach; the policy must grant each"
    )


class BashReply(Message):
    """How the command ended. A non-zero status is a result, not an error of the call."""

    exit_code: int = Field(description="128 + N for a command that signal N ended")
    stdout: str
    stderr: str
    truncated: bool = Field(description="True if the middle of an output was left out")
    omitted_bytes: int = 0
    seconds: float
    memory_peak: int | None = Field(default=None, description="Bytes; null without cgroups")
    violations: tuple[str, ...] = Field(
        default=(), description="Limits met: `sigsys`, `oom`, `tasks`, `disk`"
    )


class CustomParams(Message):
    """`custom_tool`: a custom tool by its name; the same as calling the tool itself."""

    name: ToolName
    params: JsonObject = Field(default_factory=dict)


class CustomReply(BashReply):
    """How a custom tool ended; `output` is its standard output if that is JSON."""

    output: Any = None
