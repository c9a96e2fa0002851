"""`meso policy`: what agents may do with tools."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from meso_cli.actions import Action, add, nothing, service, text_or_input
from meso_cli.output import CliError, Output, table
from meso_cli.page import Page

if TYPE_CHECKING:
    from meso_services.contract.tools_policy import ExplainReply, PolicyReply

PAGE = Page(
    text="""
The policy belongs to the generation: it is written in the appliance's file, under
[policy], and nothing that an agent does changes it. `explain` says what would happen
to a call, and by which rule; nothing is run, asked or recorded.
""",
    examples=(
        ("meso policy show", "the rules in force"),
        ("meso policy explain call.json", "what would happen to this call"),
        ("meso policy explain --bash 'rm -rf build'", "to a command line"),
    ),
)


@dataclass(frozen=True, slots=True)
class Show:
    """The rules in force."""


@dataclass(frozen=True, slots=True)
class Explain:
    """A call, as JSON."""

    call: str


Request = Show | Explain


def _explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", metavar="CALL.json", help="a call; - reads input")
    parser.add_argument("--bash", metavar="COMMAND", help="a command line instead")
    parser.add_argument("--session", default="none", metavar="ID")
    parser.add_argument("--branch", default="main", metavar="NAME")


ACTIONS = (
    Action("show", "the rules in force", nothing),
    Action("explain", "what would happen to a call", _explain),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add(parser, ACTIONS)


def parse(arguments: argparse.Namespace) -> Request:
    """The request."""
    if arguments.action == "show":
        return Show()
    if (arguments.bash is None) == (arguments.file is None):
        raise CliError("cli.usage", "give CALL.json or --bash COMMAND.", status=2)
    if arguments.bash is not None:
        import json  # noqa: PLC0415

        call = {"session": arguments.session, "branch": arguments.branch, "tool": "bash"}
        return Explain(json.dumps({**call, "params": {"command": arguments.bash}}))
    return Explain(_read(arguments.file))


def _read(name: str) -> str:
    if name == "-":
        return text_or_input("-")
    try:
        with open(name, encoding="utf-8") as file:  # noqa: PTH123 (standard library only here)
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise CliError("cli.unreadable", f"cannot read {name}: {error}") from None


def run(request: Request, output: Output) -> int:
    """Ask the tool executor; `explain` ends with 1 for deny and 3 for ask."""
    from pydantic import ValidationError  # noqa: PLC0415

    from meso_services.contract.tools import CallRequest  # noqa: PLC0415
    from meso_services.contract.tools_client import ToolExecutor  # noqa: PLC0415

    with service("tool-executor") as connection:
        executor = ToolExecutor(connection)
        match request:
            case Show():
                found = executor.policy()
                output.result(found.model_dump(mode="json"), _rules(found))
                return 0
            case Explain(call):
                try:
                    wanted = CallRequest.model_validate_json(call)
                except ValidationError as error:
                    first = error.errors(include_url=False)[0]
                    where = ".".join(map(str, first["loc"]))
                    raise CliError("cli.not_a_call", f"{where}: {first['msg']}") from None
                said = executor.explain(wanted)
                output.result(said.model_dump(mode="json"), _explained(said))
                return {"allow": 0, "ask": 3, "deny": 1}[said.decision.verdict]
            case _:
                assert_never(request)


def _rules(found: PolicyReply) -> str:
    from meso_cli.terminal import printable  # noqa: PLC0415

    rows = [
        (
            rule.name,
            rule.decision,
            rule.source,
            printable(" ".join(f"{k}={','.join(v)}" for k, v in rule.conditions.items())),
        )
        for rule in found.rules
    ]
    rest = f"\nother tools: {found.default}   not understood: {found.unknown}   "
    rest += f"answer within {found.ask_seconds} s   generation {found.generation}"
    if found.security_model:
        may = "may refuse and allow" if found.security_may_allow else "may refuse"
        rest += f"\nsecurity instance: {printable(found.security_model)}, {may}"
    return table(rows, ("RULE", "DECISION", "FROM", "ABOUT")) + rest


def _explained(said: ExplainReply) -> str:
    from meso_cli.terminal import printable  # noqa: PLC0415

    decision = said.decision
    head = f"{decision.verdict}: {printable(decision.reason)} (rule {decision.rule})"
    rows = [f"  {a.verdict:5}  {a.kind:7}  {printable(a.text)}  ({a.rule})"
            for a in decision.actions]  # fmt: skip
    if decision.omitted_actions:
        rows.append(f"  and {decision.omitted_actions} more")
    return "\n".join([head, *rows])
