"""`meso memory`: what the appliance remembers."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import assert_never

from meso_cli.actions import Action, add, nothing, service
from meso_cli.output import Output
from meso_cli.page import Page
from meso_cli.verbs.memory import requests as ask

PAGE = Page(
    text="""
A memory is a Markdown file below /meso/memory, yours to read and to edit; every
change is a commit. Memories fade with age and are strengthened by use; nothing
is deleted unless you purge it. The search follows an edit by hand.
""",
    examples=(
        ("meso memory write 'The kettle is in the left cupboard.' --tag kitchen", "keep it"),
        ("meso memory write --path house/garden.md --append 'Roses are pruned.'", "add to a file"),
        ("meso memory search kettle", "find it, with the reasons for each rank"),
        ("meso memory search kettle --tag kitchen --since 2026-01-01", "only some"),
        ("meso memory related --session SESSION", "what goes with a conversation"),
        ("meso memory why ID", "how strong it is, and its whole life"),
        ("meso memory history ID", "its changes; then: meso memory revert ID COMMIT"),
        ("meso memory forget ID", "hide it; meso memory unforget ID brings it back"),
        ("meso memory forget ID --purge", "gone from files, index, history and checkpoints"),
        ("meso memory fade 90d --dry-run", "what is old, unused and weak"),
        ("meso memory map memories.html", "the landscape, with its themes"),
        ("meso memory sync /mnt/stick/memory.git", "exchange memories, both ways"),
    ),
)


def _write(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="TEXT", help="Markdown; - reads standard input")
    parser.add_argument("--tag", action="append", default=[], metavar="TAG")
    parser.add_argument("--source", help="where it comes from")
    parser.add_argument("--path", metavar="PATH", help="the file below /meso/memory, ending in .md")
    parser.add_argument("--append", action="store_true", help="add to the end of --path")


def _search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="+", metavar="WORD")
    parser.add_argument("--limit", type=int, default=10, metavar="N")
    parser.add_argument("--since", metavar="TIME", help="written then or later, such as 2026-01-31")
    parser.add_argument("--until", metavar="TIME", help="written then or earlier")
    parser.add_argument("--source", action="append", default=[], help="of one of these sources")
    parser.add_argument("--tag", action="append", default=[], help="with all of these tags")
    _no_use(parser)


def _no_use(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--no-use", action="store_true", help="only look: it does not strengthen a memory"
    )


def _related(parser: argparse.ArgumentParser) -> None:
    one = parser.add_mutually_exclusive_group(required=True)
    one.add_argument("memory", nargs="?", metavar="ID")
    one.add_argument("--session", metavar="SESSION", help="to what was said last in it")
    one.add_argument("--text", metavar="TEXT", help="to a text; - reads standard input")
    parser.add_argument("--limit", type=int, default=5, metavar="N")


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("memory", metavar="ID|PATH")
    _no_use(parser)


def _list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source")
    parser.add_argument("--tag")
    parser.add_argument("--forgotten", action="store_true", help="the archive")


def _named(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("memory", metavar="ID")


def _forget(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("memory", metavar="ID")
    parser.add_argument("--reason", default="", help="kept in its life")
    parser.add_argument("--purge", action="store_true", help="remove it everywhere, for good")
    parser.add_argument("--yes", action="store_true", help="with --purge: do not ask")


def _fade(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("age", metavar="AGE", help="without use or change for so long, such as 90d")
    parser.add_argument("--below", type=float, default=0.25, metavar="STRENGTH")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be archived")


def _revert(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("memory", metavar="ID")
    parser.add_argument("commit", nargs="?", metavar="COMMIT", help="else before its last change")


def _sync(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("remote", metavar="REMOTE", help="a bare repository, or another's memory")
    parser.add_argument("--dry-run", action="store_true", help="only say what would change")


def _check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("memory", metavar="ID")
    parser.add_argument("--model", required=True, help="as the API proxy knows it")


def _map(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="FILE", help="ending in .png or .html")
    parser.add_argument("--quick", action="store_true", help="PCA instead of t-SNE")


ACTIONS = (
    Action("write", "keep a memory", _write),
    Action("search", "find memories by words and meaning", _search),
    Action("related", "memories that go with one, or with a conversation", _related),
    Action("show", "show a memory", _show),
    Action("list", "list memories", _list),
    Action("why", "how strong a memory is, and its whole life", _named),
    Action("history", "the changes of a memory", _named),
    Action("revert", "what a memory said before", _revert),
    Action("check", "ask a model what contradicts a memory", _check),
    Action("forget", "hide a memory; --purge removes it for good", _forget),
    Action("unforget", "bring a forgotten memory back", _named),
    Action("fade", "archive what is old, unused and weak", _fade),
    Action("sync", "exchange memories with another instance", _sync),
    Action("themes", "what memories are about, by their own words", nothing),
    Action("map", "draw the landscape of memories", _map),
    Action("reindex", "build the indexes anew from the files", nothing),
    Action("stats", "figures of all memories", nothing),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add(parser, ACTIONS)


def _parse_write(a: argparse.Namespace) -> ask.Request:
    return ask.Write(a.text, a.source, tuple(a.tag), a.path, a.append)


def _parse_search(a: argparse.Namespace) -> ask.Request:
    return ask.Search(" ".join(a.words), a.limit, a.since, a.until, tuple(a.source), tuple(a.tag),
                      not a.no_use)  # fmt: skip


_PARSERS: dict[str, Callable[[argparse.Namespace], ask.Request]] = {
    "write": _parse_write,
    "search": _parse_search,
    "related": lambda a: ask.Related(a.memory, a.session, a.text, a.limit),
    "show": lambda a: ask.Show(a.memory, not a.no_use),
    "list": lambda a: ask.List(a.source, a.tag, a.forgotten),
    "revert": lambda a: ask.Revert(a.memory, a.commit),
    "check": lambda a: ask.Check(a.memory, a.model),
    "forget": lambda a: ask.Forget(a.memory, a.reason, a.purge, a.yes),
    "fade": lambda a: ask.Fade(ask.seconds(a.age), a.below, a.dry_run),
    "sync": lambda a: ask.Sync(a.remote, a.dry_run),
    "themes": lambda _: ask.Themes(),
    "map": lambda a: ask.Map(a.target, a.quick),
    "reindex": lambda _: ask.Reindex(),
    "stats": lambda _: ask.Stats(),
}


def parse(arguments: argparse.Namespace) -> ask.Request:
    """The request."""
    if (parser := _PARSERS.get(arguments.action)) is not None:
        return parser(arguments)
    return ask.Named(arguments.action, arguments.memory)


def run(request: ask.Request, output: Output) -> int:
    """Call the memory manager."""
    from meso_cli.verbs.memory import change, look  # noqa: PLC0415 (needs packages)

    with service("memory-manager") as memory:
        match request:
            case ask.Write() | ask.Forget() | ask.Fade() | ask.Revert() | ask.Sync():
                change.run(memory, request, output)
            case ask.Check(name, model):
                change.check(memory, name, model, output)
            case ask.Reindex():
                change.reindex(memory, output)
            case ask.Named("unforget", name):
                change.unforget(memory, name, output)
            case ask.Search() | ask.Related() | ask.Show() | ask.List() | ask.Named():
                look.run(memory, request, output)
            case ask.Themes():
                look.themes(memory, output)
            case ask.Map(target, quick):
                look.draw(memory, target, quick=quick, output=output)
            case ask.Stats():
                look.stats(memory, output)
            case _:
                assert_never(request)
    return 0
