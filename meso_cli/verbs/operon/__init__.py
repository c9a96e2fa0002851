"""`meso operon`: knowledge that loads when it is called for; written, checked, added, published."""

from __future__ import annotations

import argparse
from typing import assert_never

from meso_cli.actions import Action, add, nothing
from meso_cli.output import Output
from meso_cli.page import Page
from meso_cli.verbs.operon import requests as ask

PAGE = Page(
    text="""
An operon is a piece of knowledge that loads when a situation calls for it: a word, a
pattern, a file, a tool, a task, a time. It is a folder with OPERON.md and tests.yaml.
list, show and why ask the appliance, or with --genome DIR read a genome here. add,
update, remove and undo show what they would do and ask before they do it. lint, new,
schema and publish work on folders of this computer.
""",
    examples=(
        ("meso operon list", "every operon with its size and where it comes from"),
        ("meso operon why 'Integrate x squared'", "what would load for that text, and why"),
        ("meso operon why --file db/init.sql --genome genome 'Look'", "in a genome here"),
        ("meso operon new garden --in genome/operons", "a folder to start from"),
        ("meso operon lint genome/operons/math", "everything that is wrong with it"),
        ("meso operon search water", "what the registry has"),
        ("meso operon add garden", "its diff and what it asks for, then the question"),
        ("meso operon undo", "take the last change back"),
        ("meso operon publish --new --registry site --keys keys", "a registry of your own"),
        ("meso operon publish genome/operons/math --registry site --keys keys", "publish in it"),
    ),
)  # fmt: skip


def _genome(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--genome", metavar="DIR", help="read this genome or generation instead")


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    _genome(parser)


def _why(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="TEXT", nargs="?", default="", help="- is standard input")
    for name, metavar, meaning in (
        ("--file", "PATH", "a file in hand; may stand several times"),
        ("--tool", "NAME", "a tool in use; the same"),
        ("--task", "TEXT", "an open task; the same"),
    ):
        parser.add_argument(name, action="append", default=[], metavar=metavar, help=meaning)
    parser.add_argument("--now", metavar="TIME", help="local time, such as 2026-11-21T08:30")
    parser.add_argument("--budget", type=int, metavar="TOKENS", help="room for operons")
    _genome(parser)


def _lint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", metavar="FOLDER", nargs="+", help="operons, or a genome")


def _new(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--in", dest="where", default=".", metavar="DIR", help="where to make it")


def _schema(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--write", action="store_true", help="bring docs/ up to date")


def _search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", metavar="WORD", nargs="*", help="in name or description")


def _confirm(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do it without asking")
    parser.add_argument("--dry-run", action="store_true", help="only show what it would do")


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--version", metavar="vN", help="instead of the newest")
    parser.add_argument("--lazy", action="store_true", help="its text stays in the registry")
    _confirm(parser)


def _update(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="all that came from the registry")
    parser.add_argument("--version", metavar="vN", help="instead of the newest")
    _confirm(parser)


def _remove(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    _confirm(parser)


def _publish(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", metavar="FOLDER", nargs="*", help="none: sign again")
    parser.add_argument("--registry", required=True, metavar="DIR", help="the static files")
    parser.add_argument("--keys", required=True, metavar="DIR", help="the signing keys")
    parser.add_argument("--new", action="store_true", help="make registry and keys first")
    parser.add_argument("--rotate", metavar="ROLE", help="root, targets, snapshot or timestamp")
    parser.add_argument("--withdraw", metavar="NAME@vN", help="take a version out")
    parser.add_argument("--days", action="append", default=[], metavar="ROLE=N",
                        help="for how long a role's signature counts")  # fmt: skip
    parser.add_argument("--passphrase-file", metavar="FILE", help="what locks the keys")


ACTIONS = (
    Action("list", "list the operons", _genome),
    Action("show", "show an operon", _show),
    Action("why", "say what loads for a text, and why", _why),
    Action("lint", "check operons, and run their tests", _lint),
    Action("new", "make a folder to start from", _new),
    Action("schema", "print the JSON schema of the front matter", _schema),
    Action("search", "look what the registry has", _search),
    Action("add", "add an operon of the registry", _add),
    Action("update", "update what came from the registry", _update),
    Action("remove", "take an operon of the instance away", _remove),
    Action("undo", "take the last change back", _confirm),
    Action("history", "the changes that are kept", nothing),
    Action("publish", "sign and write a registry", _publish),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add(parser, ACTIONS)


def parse(arguments: argparse.Namespace) -> ask.Request:
    """The request."""
    return ask.parse(arguments)


def run(request: ask.Request, output: Output) -> int:
    """Do it, here or by the operon loader."""
    from meso_cli.verbs.operon import change, local, look, publish  # noqa: PLC0415 (need packages)

    match request:
        case ask.Look():
            return look.run(request, output)
        case ask.Lint() | ask.New() | ask.Schema():
            return local.run(request, output)
        case ask.Change():
            return change.run(request, output)
        case ask.Search() | ask.History():
            return change.show(request, output)
        case ask.Publish():
            return publish.run(request, output)
        case _:
            assert_never(request)
