"""`meso tool`: the sandboxed tools, by hand."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from meso_cli.actions import Action, add, service
from meso_cli.output import Output
from meso_cli.page import Page

if TYPE_CHECKING:
    from meso_services.contract.tools_params import ReadReply

PAGE = Page(
    text="""
A tool runs in a sandbox that sees one session's workspace, below /meso/workspaces,
and neither the network nor the rest of the machine.
""",
    examples=(
        ("meso tool workspace SESSION", "make the session's workspace"),
        ("meso tool read SESSION notes.md", "read a file in it"),
        ("meso tool read SESSION notes.md --offset 100 --limit 20", "twenty lines, from the 100th"),
    ),
)


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace to make."""

    session: str


@dataclass(frozen=True, slots=True)
class Read:
    """Lines to read; `offset` counts from 1."""

    session: str
    path: str
    offset: int
    limit: int


Request = Workspace | Read


def _workspace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="SESSION")


def _read(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="SESSION")
    parser.add_argument("path", metavar="PATH", help="within the workspace")
    parser.add_argument("--offset", type=int, default=1, metavar="LINE", help="first line, from 1")
    parser.add_argument("--limit", type=int, default=2000, metavar="N", help="number of lines")


ACTIONS = (
    Action("workspace", "make a session's workspace", _workspace),
    Action("read", "read a file of a workspace", _read),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add(parser, ACTIONS)


def parse(arguments: argparse.Namespace) -> Request:
    """The request."""
    if arguments.action == "workspace":
        return Workspace(arguments.session)
    return Read(arguments.session, arguments.path, arguments.offset, arguments.limit)


def run(request: Request, output: Output) -> int:
    """Call the tool executor."""
    from meso_services.contract import tools as wire  # noqa: PLC0415
    from meso_services.contract.tools_params import ReadReply  # noqa: PLC0415

    with service("tool-executor") as connection:
        match request:
            case Workspace(session):
                wanted = wire.WorkspaceRef(session=session)
                made = connection.post("/v1/workspaces", wanted, wire.WorkspaceReply)
                text = f"{made.session}/{made.branch}" + ("" if made.created else "   (was there)")
                output.result(made.model_dump(mode="json"), text)
            case Read(session, path, offset, limit):
                question = wire.ReadRequest(session=session, path=path, offset=offset, limit=limit)
                reply = connection.post("/v1/tools/read", question, ReadReply)
                output.result(reply.model_dump(mode="json"), _text(reply))
            case _:
                assert_never(request)
    return 0


def _text(reply: ReadReply) -> str:
    if reply.kind == "binary":
        return f"{reply.path}: binary, {reply.size} bytes"
    more = f"\n({reply.path} goes on: --offset {reply.next_offset})" if reply.next_offset else ""
    return "\n".join(reply.lines) + more
