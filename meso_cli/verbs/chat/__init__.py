"""`meso chat`: talk with a mind in the terminal, its pools and clusters beside the talk."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from meso_cli.output import CliError, Output
from meso_cli.page import Page
from meso_cli.verbs.mind.words import Mind as Request

PAGE = Page(
    text="""
A conversation with a mind: what was said on the left, its thinking pool and its
clusters on the right. Enter sends; the mind then thinks until it says something
(at most --max iterations), and goes on after you spoke again.

In the line: /run [N], /stop, /drafts, /accept NUMBER,
/presence absent|reviewing|engaged|off, /quit. Keys: Ctrl-R thinks one iteration,
Ctrl-S stops after the running one, Ctrl-T shows or hides the pools, Ctrl-Q quits.
A running iteration that is left unfinished changes nothing.

The mind is the current one, or --session DIR; with --service it is a name of the
mind runner. Models are asked as by `meso mind`.
""",
    examples=(
        ("meso chat", "talk with the mind that was opened last"),
        ("meso chat --session ./garden", "with that one"),
        ("meso chat --service --session ariel", "with a mind of this appliance"),
    ),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--service", action="store_true", help="ask the appliance's mind runner")
    parser.add_argument("--session", metavar="DIR", help="which mind (default: the current one)")
    parser.add_argument(
        "--endpoint",
        metavar="URL",
        default=os.environ.get("MESO_MIND_ENDPOINT"),
        help="where models are asked: http(s)://… without /v1, or unix:PATH",
    )
    parser.add_argument("--api", choices=("openai", "anthropic"), default="openai")
    parser.add_argument(
        "--max", type=int, default=20, metavar="N", help="iterations until it speaks (default 20)"
    )


def parse(arguments: argparse.Namespace) -> Request:
    """The request."""
    given: dict[str, Any] = {"max": max(1, arguments.max)}
    return Request(
        "chat",
        arguments.service,
        arguments.session,
        arguments.endpoint,
        arguments.api,
        given,
    )


def run(request: Request, output: Output) -> int:
    """Open the terminal's whole screen until the user leaves."""
    if output.json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CliError(
            "chat.no_terminal",
            "a chat needs a terminal.",
            hint="Programs use `meso mind message`, `meso mind run` and `meso mind history`.",
        )
    from meso_cli.verbs.chat import backend  # noqa: PLC0415 (needs packages)
    from meso_cli.verbs.chat.screen import Chat  # noqa: PLC0415

    with backend.opened(request) as mind:
        Chat(mind, request.given["max"]).run()
    return 0
