"""`meso tool`: the sandboxed tools, by hand."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import assert_never

from meso_cli import naming
from meso_cli.actions import add
from meso_cli.output import Output
from meso_cli.page import Page
from meso_cli.verbs.tool.arguments import ACTIONS, read
from meso_cli.verbs.tool.requests import (
    Call,
    Calls,
    Cancel,
    Follow,
    List,
    New,
    Read,
    Request,
    Test,
    Workspace,
)

PAGE = Page(
    text="""
A tool runs in a sandbox that sees one session's workspace, below /meso/workspaces,
and neither the network nor the rest of the machine. What it may do is the policy's
decision (`meso policy`); what it did is in the audit (`meso audit`).

A custom tool is a folder in the genome's tools/ with one program, one JSON schema
and one test. `new` writes one to start from and `test` runs its test in a sandbox;
it counts on the appliance from the next generation on.
""",
    examples=(
        ("meso tool workspace SESSION", "make the session's workspace"),
        ("meso tool bash SESSION 'git status'", "run a command line in it"),
        ("meso tool read SESSION notes.md --offset 100 --limit 20", "twenty lines, from the 100th"),
        ("""meso tool call SESSION edit '{"path": "a", "old": "x", "new": "y"}'""", "any tool"),
        ("meso tool bash SESSION 'make all' --background", "in the background; prints its id"),
        ("meso tool follow CALL", "its output, from the beginning"),
        ("meso tool new genome/tools/count-words", "a custom tool to start from"),
        ("meso tool test genome/tools/count-words", "run its test"),
    ),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add(parser, ACTIONS)


def parse(arguments: argparse.Namespace) -> Request:
    """The request."""
    return read(arguments)


def _named(request: Request) -> Request:
    """With the id in place of what a person calls the session."""
    if isinstance(request, Workspace | Read | Call | Calls) and request.session is not None:
        return replace(request, session=naming.workspace(request.session))
    return request


def run(request: Request, output: Output) -> int:
    """Do it; 1 when a call did not complete or a test failed."""
    from meso_cli.verbs.tool import calling, folders  # noqa: PLC0415 (they need packages)

    request = _named(request)
    match request:
        case New(folder):
            status = folders.new(folder, output)
        case Test(folder):
            status = folders.test(folder, output)
        case Workspace():
            status = calling.workspace(request, output)
        case Read():
            status = calling.read(request, output)
        case Call():
            status = calling.call(request, output)
        case List():
            status = calling.tools(output)
        case Calls(session):
            status = calling.calls(session, output)
        case Follow(call):
            status = calling.follow(call, output)
        case Cancel(call):
            status = calling.cancel(call, output)
        case _:
            assert_never(request)
    return status
