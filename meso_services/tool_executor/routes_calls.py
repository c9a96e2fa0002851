"""Routes that make calls, follow them and stop them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import Field

from meso_services.contract import tools as wire
from meso_services.contract.tools_params import ReadReply
from meso_services.runtime.app import errors
from meso_services.runtime.errors import MesoError
from meso_services.runtime.peer import current_peer
from meso_services.tool_executor.calls import Call
from meso_services.tool_executor.parts import Parts

NDJSON = "application/x-ndjson"
_STREAM = {
    "description": "With `Accept: application/x-ndjson`: one CallEvent a line",
    "content": {NDJSON: {"schema": {"type": "string"}}},
}
_CALL: dict[int | str, dict[str, Any]] = {
    200: {"content": {NDJSON: {"schema": {"type": "string"}}}},
    202: {"model": wire.CallReply, "description": "It runs in the background"},
    **errors(404, 409),
}
Key = Annotated[str | None, Header(pattern=r"^[\x21-\x7e]{1,128}$")]
CallPath = Annotated[str, Field(max_length=64)]


def add(app: FastAPI, parts: Parts) -> None:
    """Add the routes."""
    _add_making(app, parts)
    _add_looking(app, parts)


def _add_making(app: FastAPI, parts: Parts) -> None:
    @app.post("/v1/tools/call", response_model=wire.CallReply, responses=_CALL)
    async def call_tool(
        request: wire.CallRequest, http: Request, idempotency_key: Key = None
    ) -> Response:
        """Make a call. It is stopped if the client goes away, unless it is in the background."""
        call = await _made(parts, request, http, idempotency_key)
        if NDJSON in http.headers.get("accept", ""):
            return StreamingResponse(_streamed(parts, call), media_type=NDJSON)
        if request.background:
            return _answer(call, 202)
        await _attended(parts, call, http)
        return _answer(call, 200)

    @app.post("/v1/tools/read", responses=errors(403, 404, 409, 504, 507))
    async def read(request: wire.ReadRequest, http: Request) -> ReadReply:
        """The tool `read` without the frame of a call; errors have their own status."""
        params = request.model_dump(include={"path", "offset", "limit"})
        wanted = wire.CallRequest(
            session=request.session, branch=request.branch, tool="read", params=params
        )
        call = await _made(parts, wanted, http, None)
        await _attended(parts, call, http)
        if call.fault is not None:
            raise call.fault
        return ReadReply.model_validate(call.result)

    @app.get("/v1/tools")
    async def tools() -> wire.ToolsReply:
        """Every tool that can be called, with the schema of its parameters."""
        return parts.engine.toolbox.info()


def _add_looking(app: FastAPI, parts: Parts) -> None:
    @app.get("/v1/calls")
    async def calls(session: wire.WorkspaceName | None = None) -> wire.CallsReply:
        """The calls that run and the latest that ended, newest first."""
        return wire.CallsReply(calls=tuple(one.reply() for one in parts.calls.list(session)))

    @app.get("/v1/calls/{call}", responses=errors(404))
    async def show(call: CallPath) -> wire.CallReply:
        """One call as it is now."""
        return parts.calls.get(call).reply()

    @app.get(
        "/v1/calls/{call}/events",
        response_class=StreamingResponse,
        responses={200: _STREAM, **errors(404)},
    )
    async def follow(call: CallPath) -> StreamingResponse:
        """The call's events from its beginning, one a line, until it ends."""
        return StreamingResponse(_lines(parts.calls.get(call)), media_type=NDJSON)

    @app.post("/v1/calls/{call}/cancel", responses=errors(404))
    async def cancel(call: CallPath) -> wire.CallReply:
        """Stop a call with everything that it started. One that has ended stays as it is."""
        found = parts.calls.get(call)
        await parts.calls.cancel(found)
        return found.reply()


async def _made(parts: Parts, request: wire.CallRequest, http: Request, key: str | None) -> Call:
    """A new call that is on its way, or the one that was made under this key."""
    uid = current_peer(http).uid
    if (known := parts.calls.known(uid, key, request)) is not None:
        return known
    # Two looks at directories that the kernel knows: a thread would take longer.
    place = parts.workspaces.find(request.session, request.branch)
    call = Call(request, uid)
    parts.calls.add(call, key)
    call.task = asyncio.create_task(parts.engine.run(call, place))
    return call


async def _attended(parts: Parts, call: Call, http: Request) -> None:
    """Wait for the call's end; a client that goes away ends it."""
    gone = asyncio.create_task(_gone(http))
    waiting = asyncio.create_task(call.wait())
    try:
        await asyncio.wait([gone, waiting], return_when=asyncio.FIRST_COMPLETED)
        if not call.ended and not call.request.background:
            await parts.calls.cancel(call)
    except asyncio.CancelledError:
        await asyncio.shield(parts.calls.cancel(call))
        raise
    finally:
        gone.cancel()
        waiting.cancel()


async def _gone(http: Request) -> None:
    while (await http.receive())["type"] != "http.disconnect":
        pass


async def _streamed(parts: Parts, call: Call) -> AsyncIterator[bytes]:
    try:
        async for line in _lines(call):
            yield line
    finally:
        if not call.ended and not call.request.background:
            with contextlib.suppress(MesoError):
                await asyncio.shield(parts.calls.cancel(call))


async def _lines(call: Call) -> AsyncIterator[bytes]:
    async for event in call.follow():
        # ASCII, so that no reader takes another line separator for the end.
        yield json.dumps(event.model_dump(mode="json")).encode() + b"\n"


def _answer(call: Call, status: int) -> JSONResponse:
    return JSONResponse(call.reply().model_dump(mode="json"), status_code=status)
