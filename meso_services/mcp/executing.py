"""Calls of the tool executor's tools: streamed as progress, cancelled with their request."""

from __future__ import annotations

import contextlib
from typing import Any

import anyio
import mcp_types as types
from anyio import from_thread, to_thread
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError

from meso_services.contract import tools as wire
from meso_services.contract.client import CallError
from meso_services.contract.tools_client import ToolExecutor
from meso_services.mcp.backend import CALL_SECONDS, Backend, Binding
from meso_services.mcp.results import called

SERVICE = "tool-executor"
SESSION = "meso_session"
BRANCH = "meso_branch"
# Tools of the executor that are one tool here already.
HIDDEN = frozenset({"custom_tool"})
NO_SUCH_TOOL = "tools.no_such_tool"
MOST_AT_ONCE = 64
_limiter = anyio.CapacityLimiter(MOST_AT_ONCE)


def listed(backend: Backend, binding: Binding) -> list[types.Tool]:
    """The executor's tools. One that is not pinned to a workspace takes it as an argument."""
    with backend.service(SERVICE) as connection:
        found = ToolExecutor(connection).tools().tools
    return [_tool(tool, binding) for tool in found if tool.name not in HIDDEN]


def _tool(tool: wire.ToolInfo, binding: Binding) -> types.Tool:
    schema = dict(tool.parameters)
    if not binding.pinned:
        where = f"default: {binding.session}, {binding.branch}"
        added = {
            SESSION: {"type": "string", "description": f"Session whose workspace is used; {where}"},
            BRANCH: {"type": "string", "description": f"Branch of that session; {where}"},
        }
        schema["properties"] = {**schema.get("properties", {}), **added}
    hints = types.ToolAnnotations(
        read_only_hint=tool.name == "read",
        destructive_hint=tool.name != "read",
        open_world_hint=tool.source == "provider",
    )
    return types.Tool(
        name=tool.name, description=tool.description, input_schema=schema, annotations=hints
    )


async def call(
    ctx: ServerRequestContext[Any],
    backend: Backend,
    binding: Binding,
    name: str,
    arguments: dict[str, Any],
) -> types.CallToolResult:
    """Make one call. Its output comes as progress; when the request is cancelled, it is too."""
    wanted = _request(binding, name, dict(arguments))
    running = _Running(ctx, backend, wanted)
    try:
        reply = await to_thread.run_sync(running.follow, abandon_on_cancel=True, limiter=_limiter)
    except anyio.get_cancelled_exc_class():
        with anyio.CancelScope(shield=True), anyio.move_on_after(10):
            await to_thread.run_sync(running.cancel)
        raise
    if reply.error is not None and reply.error.code == NO_SUCH_TOOL:
        raise MCPError(types.INVALID_PARAMS, f"there is no tool {name}")
    return called(reply)


def _request(binding: Binding, name: str, arguments: dict[str, Any]) -> wire.CallRequest:
    session, branch = binding.session, binding.branch
    if not binding.pinned:
        session = arguments.pop(SESSION, None) or session
        branch = arguments.pop(BRANCH, None) or branch
    return wire.CallRequest(session=session, branch=branch, tool=name, params=arguments)


class _Running:
    """One call, followed in a thread of its own."""

    def __init__(
        self, ctx: ServerRequestContext[Any], backend: Backend, wanted: wire.CallRequest
    ) -> None:
        self._ctx = ctx
        self._backend = backend
        self._wanted = wanted
        self._call: str | None = None
        self._cancelled = False
        self._pieces = 0

    def follow(self) -> wire.CallReply:
        """Read events until the call has ended."""
        with self._backend.service(SERVICE, timeout=CALL_SECONDS) as connection:
            executor = ToolExecutor(connection)
            executor.workspace(self._wanted.session, self._wanted.branch)
            for event in executor.stream(self._wanted):
                match event:
                    case wire.CallStarted(call_id=ident):
                        self._call = ident
                        if self._cancelled:
                            self.cancel()
                    case wire.CallOutput(text=text):
                        self._progress(text)
                    case wire.CallProgress(state=state, message=message, approval=approval):
                        question = f" (question {approval})" if approval else ""
                        self._progress(f"[{state}{question}] {message}".rstrip())
                    case wire.CallResult(call=reply):
                        return reply
        raise RuntimeError("the stream of a call ended without its result")

    def _progress(self, text: str) -> None:
        self._pieces += 1
        # The request may be gone; the call's own end says the rest.
        with contextlib.suppress(Exception):
            from_thread.run(self._ctx.session.report_progress, float(self._pieces), None, text)

    def cancel(self) -> None:
        """Stop the call and everything that it started."""
        self._cancelled = True
        if self._call is None:
            return
        with contextlib.suppress(CallError), self._backend.service(SERVICE) as connection:
            ToolExecutor(connection).cancel(self._call)
