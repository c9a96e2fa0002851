"""The actions of `meso tool` that ask the tool executor."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from meso_cli.actions import service
from meso_cli.output import Output, table
from meso_cli.terminal import lines, printable
from meso_cli.verbs.tool.requests import Call, Read, Workspace
from meso_services.contract import tools as wire
from meso_services.contract.tools_client import ToolExecutor
from meso_services.contract.tools_params import ReadReply


@contextmanager
def _executor() -> Iterator[ToolExecutor]:
    with service("tool-executor") as connection:
        yield ToolExecutor(connection)


def workspace(request: Workspace, output: Output) -> int:
    """Make a workspace."""
    with _executor() as executor:
        made = executor.workspace(request.session, request.branch)
    text = f"{made.session}/{made.branch}" + ("" if made.created else "   (was there)")
    output.result(made.model_dump(mode="json"), text)
    return 0


def read(request: Read, output: Output) -> int:
    """Read lines of a file."""
    with service("tool-executor") as connection:
        question = wire.ReadRequest(
            session=request.session,
            branch=request.branch,
            path=request.path,
            offset=request.offset,
            limit=request.limit,
        )
        reply = connection.post("/v1/tools/read", question, ReadReply)
    output.result(reply.model_dump(mode="json"), _text(reply))
    return 0


def _text(reply: ReadReply) -> str:
    path = printable(reply.path)
    if reply.kind == "binary":
        return f"{path}: binary, {reply.size} bytes"
    more = f"\n({path} goes on: --offset {reply.next_offset})" if reply.next_offset else ""
    return lines("\n".join(reply.lines)) + more


def call(request: Call, output: Output) -> int:
    """Make a call: its output as it comes, then how it ended."""
    wanted = wire.CallRequest(
        session=request.session,
        branch=request.branch,
        tool=request.tool,
        params=request.params,
        background=request.background,
        seconds=request.seconds,
    )
    with _executor() as executor:
        if request.background:
            reply = executor.call(wanted)
            output.result(reply.model_dump(mode="json"), reply.id)
            return 0
        return _show(executor.stream(wanted), output)


def follow(call: str, output: Output) -> int:
    """Follow a call that runs, or show one that has ended."""
    with _executor() as executor:
        return _show(executor.follow(call), output)


def _show(events: Iterator[wire.CallEvent], output: Output) -> int:
    status = 1
    for event in events:
        if output.json:
            output.line(event.model_dump(mode="json"))
        elif isinstance(event, wire.CallOutput):
            stream = sys.stdout if event.stream == "stdout" else sys.stderr
            # To a file or a program as it is; to a terminal without what it would obey.
            stream.write(lines(event.text) if stream.isatty() else event.text)
            stream.flush()
        elif isinstance(event, wire.CallProgress) and event.approval:
            said = f"waiting for an operator: `meso approve allow {event.approval}`"
            print(f"{said} ({printable(event.message)})", file=sys.stderr)
        if isinstance(event, wire.CallResult):
            status = _ended(event.call, output)
    return status


def _ended(reply: wire.CallReply, output: Output) -> int:
    if not output.json and reply.error is not None:
        code = reply.error.code
        print(f"meso: {printable(reply.error.message)} ({code})", file=sys.stderr)
    if not output.json and reply.result is not None and "exit_code" not in reply.result:
        output.result(reply.result)
    if reply.state != "completed":
        return 1
    return int((reply.result or {}).get("exit_code", 0))


def tools(output: Output) -> int:
    """The tools that can be called."""
    with _executor() as executor:
        found = executor.tools()
    rows = [(one.name, one.source, printable(one.description)) for one in found.tools]
    text = table(rows, ("TOOL", "FROM", "WHAT"))
    problems = [f"\nnot usable: {printable(problem)}" for problem in found.problems]
    output.result(found.model_dump(mode="json"), text + "".join(problems))
    return 0


def calls(session: str | None, output: Output) -> int:
    """Calls that run, and the latest."""
    with _executor() as executor:
        found = executor.calls(session)
    rows = [(c.id, f"{c.session}/{c.branch}", c.tool, c.state, c.asked_at) for c in found.calls]
    text = table(rows, ("CALL", "WORKSPACE", "TOOL", "STATE", "ASKED AT"))
    output.result(found.model_dump(mode="json"), text)
    return 0


def cancel(call: str, output: Output) -> int:
    """Stop a call."""
    began = time.monotonic()
    with _executor() as executor:
        reply = executor.cancel(call)
    took = f"{reply.id}: {reply.state} ({time.monotonic() - began:.1f} s)"
    output.result(reply.model_dump(mode="json"), took)
    return 0
