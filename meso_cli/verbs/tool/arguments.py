"""The arguments of `meso tool`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from meso_cli.actions import Action, nothing, text_or_input
from meso_cli.output import CliError
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


def _place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="SESSION")
    parser.add_argument("--branch", default="main", metavar="NAME", help="branch of the session")


def _read(parser: argparse.ArgumentParser) -> None:
    _place(parser)
    parser.add_argument("path", metavar="PATH", help="within the workspace")
    parser.add_argument("--offset", type=int, default=1, metavar="LINE", help="first line, from 1")
    parser.add_argument("--limit", type=int, default=2000, metavar="N", help="number of lines")


def _bash(parser: argparse.ArgumentParser) -> None:
    _place(parser)
    parser.add_argument("command", metavar="COMMAND", help="command line; - reads standard input")
    parser.add_argument(
        "--reach", action="append", default=[], metavar="NAME[:PORT]", help="a host to reach"
    )
    _how(parser)


def _call(parser: argparse.ArgumentParser) -> None:
    _place(parser)
    parser.add_argument("tool", metavar="TOOL")
    parser.add_argument("params", metavar="PARAMS", help="JSON; - reads standard input")
    _how(parser)


def _how(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=int, metavar="N", help="stop it after so long")
    parser.add_argument("--background", action="store_true", help="do not wait for its end")


def _one(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("call", metavar="CALL", help="a call's id")


def _calls(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", nargs="?", metavar="SESSION")


def _folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="genome/tools/NAME")


ACTIONS = (
    Action("workspace", "make a session's workspace", _place),
    Action("list", "the tools that can be called", nothing),
    Action("read", "read a file of a workspace", _read),
    Action("bash", "run a command line in a workspace", _bash),
    Action("call", "call any tool", _call),
    Action("calls", "calls that run, and the latest that ended", _calls),
    Action("follow", "the output of a call, until it ends", _one),
    Action("cancel", "stop a call", _one),
    Action("new", "begin a custom tool", _folder),
    Action("test", "run a custom tool's test", _folder),
)


def read(given: argparse.Namespace) -> Request:
    """The request that the arguments make."""
    match given.action:
        case "workspace":
            return Workspace(given.session, given.branch)
        case "read":
            return Read(given.session, given.branch, given.path, given.offset, given.limit)
        case "bash":
            params: dict[str, Any] = {"command": text_or_input(given.command)}
            if given.reach:
                params["hosts"] = given.reach
            return _made(given, "bash", params)
        case "call":
            return _made(given, given.tool, _json(text_or_input(given.params)))
        case _:
            return _other(given)


def _other(given: argparse.Namespace) -> Request:
    match given.action:
        case "calls":
            return Calls(given.session)
        case "follow":
            return Follow(given.call)
        case "cancel":
            return Cancel(given.call)
        case "new":
            return New(given.folder)
        case "test":
            return Test(given.folder)
        case _:
            return List()


def _made(given: argparse.Namespace, tool: str, params: dict[str, Any]) -> Call:
    return Call(given.session, given.branch, tool, params, given.background, given.seconds)


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise CliError("cli.not_json", f"PARAMS is not JSON: {error}", status=2) from None
    if not isinstance(found, dict):
        raise CliError("cli.not_json", "PARAMS must be a JSON object.", status=2)
    return found
