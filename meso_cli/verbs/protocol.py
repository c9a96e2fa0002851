"""`meso protocol`: the page of the whole protocol, generated."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from meso_cli.output import Output
from meso_cli.page import Page

PAGE = Page(
    text="""
docs/MESO-PROTOCOL.md describes every operation, route and message. It is made of the
contract's models and the services' OpenAPI documents, so it cannot say anything else.
""",
    examples=(
        ("meso protocol", "print the page"),
        ("meso protocol --write", "bring docs/MESO-PROTOCOL.md up to date"),
    ),
)


@dataclass(frozen=True, slots=True)
class Request:
    """Print the page, or write it."""

    write: bool


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument("--write", action="store_true", help="write docs/MESO-PROTOCOL.md")


def parse(arguments: argparse.Namespace) -> Request:
    """The request."""
    return Request(arguments.write)


def run(request: Request, output: Output) -> int:
    """Generate it."""
    from meso_host.protocol.render import page  # noqa: PLC0415
    from meso_host.setup import tree  # noqa: PLC0415

    text = page()
    if not request.write:
        output.result({"page": text}, text.rstrip("\n"))
        return 0
    file = tree.TOP / "docs/MESO-PROTOCOL.md"
    file.write_text(text)
    output.result({"written": [str(file)]}, "docs/MESO-PROTOCOL.md")
    return 0
