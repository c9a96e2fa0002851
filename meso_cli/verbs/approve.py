"""`meso approve`: answer what agents ask."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from meso_cli.actions import service
from meso_cli.output import Output
from meso_cli.page import Page

if TYPE_CHECKING:
    from meso_services.contract.tools_policy import Approval

PAGE = Page(
    text="""
A call that the policy wants to ask about waits here. Without an answer in time it is
refused. Only operators may answer; every answer is in the audit.
""",
    examples=(
        ("meso approve", "what waits"),
        ("meso approve allow 4f2a1c", "let it run"),
        ("meso approve allow 4f2a1c --always-for-this-session", "and the same again later"),
        ("meso approve deny 4f2a1c --reason 'use the test server'", "refuse it, and say why"),
    ),
)


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


Request = List | Answer


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("action", nargs="?", choices=("list", "allow", "deny"), default="list")
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
    from meso_cli.output import CliError  # noqa: PLC0415

    if arguments.action == "list":
        return List()
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
            case _:
                assert_never(request)
    return 0


def _shown(one: Approval) -> str:
    from meso_cli.terminal import printable  # noqa: PLC0415

    return (
        f"{one.id}  {one.tool} in {one.session}/{one.branch}, until {one.expires_at}\n"
        f"        {printable(one.summary)}\n"
        f"        {printable(one.reason)} (rule {one.rule})"
    )
