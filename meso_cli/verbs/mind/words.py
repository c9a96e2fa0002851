"""The words of `mind`: actions, their arguments, and the request that they become."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, field
from typing import Any

from meso_cli.actions import Action, Mixed, add, nothing


@dataclass(frozen=True, slots=True)
class Mind:
    """What was asked. `given` holds the action's own arguments by name."""

    action: str
    service: bool
    session: str | None
    endpoint: str | None
    api: str
    given: dict[str, Any] = field(default_factory=dict)


# Named here, because help needs nothing that has to be installed.
ANALYSES = (
    *("overview", "diversity", "novelty", "attractors", "clusters", "trajectory"),
    *("impact", "lineage", "windows", "compare"),
)
PICTURES = ("clusters", "drift", "diversity", "map")
COMMON = ("action", "service", "session", "endpoint", "api")


def _init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", help="where (with --service: its name)")
    parser.add_argument("prompt", nargs="?", metavar="PROMPT", help="the first message; - is stdin")
    parser.add_argument("--offline", action="store_true", help="embed with the local model")


def _open(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR")


def _run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("iterations", nargs="?", type=_count, metavar="N", help="exactly so many")
    parser.add_argument("--max", type=_count, metavar="N", help="at most so many (default 50)")


def _step(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--debug", action="store_true", help="show the whole request and reply")


def _message(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", nargs="?", metavar="TEXT", help="without it: -f, or stdin")
    parser.add_argument("-f", "--file", metavar="FILE", help="take the text from a file")
    parser.add_argument("--to", default="mind_0", metavar="MIND", help="default: mind_0")


def _config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")


def _cluster(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("status", "show", "split"))
    parser.add_argument("cluster", nargs="?", metavar="CLUSTER", help="such as cluster_0")
    parser.add_argument("--dry-run", action="store_true", help="split: only say what would be done")


def _analyze(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        nargs="?",
        choices=ANALYSES,
        default="overview",
        metavar="WHAT",
        help=f"{', '.join(ANALYSES)}",
    )
    parser.add_argument("--with", dest="other", metavar="DIR", help="compare: the other session")
    parser.add_argument("--points", type=_count, metavar="N", help="diversity, novelty: points")
    parser.add_argument("--span", type=_count, metavar="N", help="impact: iterations each side")
    parser.add_argument(
        "--embed", action="store_true", help="impact: embed the messages too, for their pull"
    )
    parser.add_argument("--thought", type=int, metavar="N", help="lineage: of that thought")
    parser.add_argument("--message", type=int, metavar="N", help="lineage: of that message")
    parser.add_argument("--depth", type=_count, metavar="N", help="lineage: steps back (3)")
    parser.add_argument("--size", type=_count, metavar="N", help="windows: iterations (50)")
    parser.add_argument("--step", type=_count, metavar="N", help="windows: between them (25)")


def _plot(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", nargs="?", default=".", metavar="DIR", help="where (here)")
    parser.add_argument(
        "--only",
        choices=PICTURES,
        action="append",
        metavar="PICTURE",
        help=f"{', '.join(PICTURES)} (default: all)",
    )
    parser.add_argument("--no-png", action="store_true", help="the page alone")


def _calibrate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--texts", metavar="FILE", help="labelled texts: YAML, a theme to its texts"
    )
    parser.add_argument("--model", metavar="NAME", help="measure this one (default: the mind's)")
    parser.add_argument("--set", action="store_true", help="make the threshold the mind's")


def _accept(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("draft", type=int, metavar="NUMBER")


def _drafts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--archive", action="store_true", help="those that were not accepted")


def _history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=_count, default=20, metavar="N", help="the newest N lines")


def _extract(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIR", help="the new session")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="first iteration")
    parser.add_argument("--last", type=int, metavar="N", help="iteration to end before")


ACTIONS = (
    Action("init", "make a mind, and make it the current one", _init),
    Action("open", "make a mind the current one", _open),
    Action("status", "iteration, pools and clusters", nothing),
    Action("list", "with --service: all minds", nothing),
    Action("run", "think: N iterations, or until it says something", _run),
    Action("step", "think: one iteration", _step),
    Action("message", "tell it something", _message),
    Action("config", "show or change the configuration", _config),
    Action("cluster", "clusters: status, show CLUSTER, or split CLUSTER", _cluster),
    Action("analyze", "what happened: diversity, attractors, impact and more", _analyze),
    Action("plot", "pictures: a page, and PNG files", _plot),
    Action("calibrate", "the match threshold that fits the embedding model", _calibrate),
    Action("drafts", "the drafts that wait for you", _drafts),
    Action("accept", "accept a draft as its message", _accept),
    Action("history", "messages and actions, newest last", _history),
    Action("extract", "a new session out of a range of iterations", _extract),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add options and actions."""
    parser.add_argument("--service", action="store_true", help="ask the appliance's mind runner")
    parser.add_argument("--session", metavar="DIR", help="which mind (default: the current one)")
    parser.add_argument(
        "--endpoint",
        metavar="URL",
        default=os.environ.get("MESO_MIND_ENDPOINT"),
        help="where models are asked: http(s)://… without /v1, or unix:PATH",
    )
    parser.add_argument("--api", choices=("openai", "anthropic"), default="openai")
    add(parser, ACTIONS, kind=Mixed)


def parse(arguments: argparse.Namespace) -> Mind:
    """The request."""
    everything = vars(arguments)
    return Mind(
        **{key: everything[key] for key in COMMON},
        given={key: value for key, value in everything.items() if key not in COMMON},
    )


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)
