"""`meso approve`: answer what agents ask."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from meso_cli.actions import service
from meso_cli.output import CliError, Output
from meso_cli.page import Page

if TYPE_CHECKING:
    from meso_services.contract.tools_client import ToolExecutor
    from meso_services.contract.tools_policy import Answer as Answering
    from meso_services.contract.tools_policy import Approval

PAGE = Page(
    text="""
A call that the policy wants to ask about waits here. Without an answer in time it is
refused. Only operators may answer; every answer is in the audit.
""",
    examples=(
        ("meso approve", "what waits"),
        ("meso approve review", "one after the other, asked here"),
        ("meso approve allow 4f2a1c", "let it run"),
        ("meso approve allow 4f2a1c --always-for-this-session", "and the same again later"),
        ("meso approve deny 4f2a1c --reason 'use the test server'", "refuse it, and say why"),
    ),
)

ACTIONS = ("list", "review", "allow", "deny")


@dataclass(frozen=True, slots=True)
class List:
    """What waits."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to one question."""

    id: str
    allow: bool
    always: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Review:
    """What waits, one by one, asked on the terminal."""


Request = List | Answer | Review


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("action", nargs="?", choices=ACTIONS, default="list")
    parser.add_argument("id", nargs="?", metavar="ID", help="the question's id")
    parser.add_argument(
        "--always-for-this-session",
        dest="always",
        action="store_true",
        help="with allow: also the same again in this session and branch",
    )
    parser.add_argument("--reason", default="", metavar="TEXT", help="shown to the agent")


def parse(arguments: argparse.Namespace) -> Request:
    """The request."""
    if arguments.action == "list":
        return List()
    if arguments.action == "review":
        return Review()
    if not arguments.id:
        raise CliError("cli.usage", f"`meso approve {arguments.action}` needs an ID.", status=2)
    return Answer(arguments.id, arguments.action == "allow", arguments.always, arguments.reason)


def run(request: Request, output: Output) -> int:
    """Ask the tool executor."""
    from meso_services.contract import tools_policy as wire  # noqa: PLC0415
    from meso_services.contract.tools_client import ToolExecutor  # noqa: PLC0415

    with service("tool-executor") as connection:
        executor = ToolExecutor(connection)
        match request:
            case List():
                found = executor.approvals()
                text = "\n".join(map(_shown, found.approvals)) or "nothing waits"
                output.result(found.model_dump(mode="json"), text)
            case Answer(name, allow, always, reason):
                answer = wire.Answer(
                    decision="allow" if allow else "deny",
                    scope="session" if always else "once",
                    reason=reason,
                )
                done = executor.answer(name, answer)
                said = f"{done.id}: {'allowed' if allow else 'denied'}"
                output.result(done.model_dump(mode="json"), said)
            case Review():
                answered = _review(executor)
                text = f"{len(answered)} answered" if answered else "nothing was answered"
                output.result({"answered": answered}, text)
            case _:
                assert_never(request)
    return 0


def _review(executor: ToolExecutor) -> list[dict[str, object]]:
    """Ask about each question that waits; one that is skipped goes on waiting."""
    from meso_services.contract import tools_policy as wire  # noqa: PLC0415

    _need_terminal()
    answered = []
    for one in executor.approvals().approvals:
        said = _asked(f"{_shown(one)}\nallow? [y/N, a: always in this session, s: skip] ")
        if said.startswith("s"):
            continue
        allow = said.startswith(("y", "a"))
        answer = wire.Answer(
            decision="allow" if allow else "deny",
            scope="session" if said.startswith("a") else "once",
        )
        answered.append(_answer(executor, one.id, answer))
    return answered


def _answer(executor: ToolExecutor, name: str, answer: Answering) -> dict[str, object]:
    from meso_services.contract.client import CallError  # noqa: PLC0415

    try:
        return executor.answer(name, answer).model_dump(mode="json")
    except CallError as error:
        # Its time was over, or somebody was quicker: the others still wait.
        if error.code != "approval.not_found":
            raise
        print(f"{name}: too late", file=sys.stderr)
        return {"id": name, "decision": None}


def _need_terminal() -> None:
    if not sys.stdin.isatty():
        raise CliError(
            "approve.no_terminal",
            "there is no terminal to ask on.",
            hint="`meso approve` lists what waits; `meso approve allow ID` answers.",
        )


def _asked(text: str) -> str:
    print(text, end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    # The end of the input is no answer, and least of all a yes.
    return line.strip().lower() if line else "skip"


def _shown(one: Approval) -> str:
    from meso_cli.terminal import printable  # noqa: PLC0415

    return (
        f"{one.id}  {one.tool} in {one.session}/{one.branch}, until {one.expires_at}\n"
        f"        {printable(one.summary)}\n"
        f"        {printable(one.reason)} (rule {one.rule})"
        + (f"\n        security instance: {printable(one.advice)}" if one.advice else "")
    )
