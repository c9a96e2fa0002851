"""`meso mcp`: the appliance as an MCP server, on standard input and output."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from meso_cli.output import Output
from meso_cli.page import Page

PAGE = Page(
    text="""
Speaks the Model Context Protocol on standard input and output, so that an agent
elsewhere can use this appliance: its sandboxed tools, sessions, memory, tasks and
identity. An MCP client starts it as `ssh USER@HOST meso mcp`. Every call goes through
the policy and the audit of the tool executor.

On the appliance the same is served as Streamable HTTP at /mcp of /run/meso/mcp.sock.
For a client that needs an address: ssh -N -L 127.0.0.1:7777:/run/meso/mcp.sock USER@HOST
""",
    examples=(
        ("ssh operator@garden.local meso mcp", "what an MCP client runs"),
        ("meso mcp --host operator@garden.local", "the same, with meso at hand"),
        ("meso mcp --session ID --branch try", "calls work in that branch's workspace only"),
        ("claude mcp add garden -- ssh operator@garden.local meso mcp", "for Claude Code"),
    ),
)


@dataclass(frozen=True, slots=True)
class Serve:
    """Serve one client; a session or branch that is given cannot be changed by a call."""

    session: str | None
    branch: str | None
    root: Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--session", metavar="ID", help="work in this session's workspace only")
    parser.add_argument("--branch", metavar="NAME", help="and in this branch (default: main)")
    parser.add_argument("--root", type=Path, default=Path("/"), help=argparse.SUPPRESS)


def parse(arguments: argparse.Namespace) -> Serve:
    """The request."""
    return Serve(arguments.session, arguments.branch, arguments.root)


def run(request: Serve, _output: Output) -> int:
    """Serve until the client closes the input."""
    from meso_services.mcp.stdio import configured, serve  # noqa: PLC0415
    from meso_services.runtime.paths import Paths  # noqa: PLC0415

    serve(configured(Paths(request.root), request.session, request.branch))
    return 0
