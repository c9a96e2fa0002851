"""`meso audit`: what the tools did, and whether the record is whole."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from meso_cli.actions import Action, add, service
from meso_cli.output import CliError, Output
from meso_cli.page import Page

if TYPE_CHECKING:
    from meso_services.contract.tools_audit import AuditRecord, AuditVerdict

PAGE = Page(
    text="""
Every call, decision, approval, violation and result is a record that names the hash
of the one before it. `verify` finds any record that was altered, removed or moved,
and says from which one on. Note the number and hash that it prints somewhere else:
with --anchor a later check also finds a chain that was made anew as a whole.
""",
    examples=(
        ("meso audit show", "the newest records"),
        ("meso audit show --call 0123456789abcdef", "all about one call"),
        ("meso audit verify", "check the whole chain"),
        ("meso audit verify --anchor NUMBER:HASH", "and that record 120 is the one noted"),
    ),
)


@dataclass(frozen=True, slots=True)
class Show:
    """Records to show."""

    after: int | None
    limit: int
    call: str | None


@dataclass(frozen=True, slots=True)
class Verify:
    """A check; `seq` and `hash` are of a record that was noted."""

    seq: int | None
    hash: str | None


Request = Show | Verify


def _show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--after", type=int, metavar="N", help="from record N on")
    parser.add_argument("--limit", type=int, default=20, metavar="N")
    parser.add_argument("--call", metavar="ID")


def _verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--anchor", metavar="NUMBER:HASH")


ACTIONS = (
    Action("show", "show records", _show),
    Action("verify", "check the chain", _verify),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add(parser, ACTIONS)


def parse(arguments: argparse.Namespace) -> Request:
    """The request."""
    if arguments.action == "show":
        return Show(arguments.after, arguments.limit, arguments.call)
    if arguments.anchor is None:
        return Verify(None, None)
    number, _, digest = arguments.anchor.partition(":")
    if not number.isdigit() or len(digest) != 64:
        raise CliError("cli.usage", "--anchor is NUMBER:HASH, as `verify` prints it.", status=2)
    return Verify(int(number), digest)


def run(request: Request, output: Output) -> int:
    """Ask the tool executor; 1 when the chain is not whole."""
    from meso_services.contract import tools_audit as wire  # noqa: PLC0415

    with service("tool-executor") as connection:
        match request:
            case Show(after, limit, call):
                query = {"after": after, "limit": limit, "call": call}
                page = connection.get("/v1/audit", wire.AuditPage, **query)
                text = "\n".join(map(_line, page.records)) or "no records"
                output.result(page.model_dump(mode="json"), text)
                return 0
            case Verify(seq, digest):
                query = {"seq": seq, "hash": digest}
                verdict = connection.get("/v1/audit/verify", wire.AuditVerdict, **query)
                output.result(verdict.model_dump(mode="json"), _verdict(verdict))
                return int(not verdict.ok)
            case _:
                assert_never(request)


def _line(record: AuditRecord) -> str:
    import json  # noqa: PLC0415

    from meso_cli.terminal import printable  # noqa: PLC0415

    place = f"{record.session}/{record.branch} {record.tool}" if record.session else ""
    facts = printable(json.dumps(record.data, ensure_ascii=False))
    return f"{record.seq:>6} {record.time} {record.kind:9} {record.call_id} {place} {facts[:300]}"


def _verdict(verdict: AuditVerdict) -> str:
    if verdict.ok:
        return f"whole: {verdict.records} records, the newest is {verdict.head}:{verdict.head_hash}"
    where = f" in {verdict.file}" if verdict.file else ""
    return f"NOT WHOLE from record {verdict.bad_from} on{where}: {verdict.problem}"
