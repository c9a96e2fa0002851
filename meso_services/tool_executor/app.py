"""The tool executor's routes."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI, Response

from meso_services.contract import tools as wire
from meso_services.contract.tools_params import ReadReply
from meso_services.runtime.app import application, errors
from meso_services.runtime.context import Context
from meso_services.runtime.errors import MesoError
from meso_services.runtime.service import Service
from meso_services.tool_executor.cgroups import delegated
from meso_services.tool_executor.health import checks
from meso_services.tool_executor.sandbox import Limits, Sandbox
from meso_services.tool_executor.settings import Settings
from meso_services.tool_executor.workspaces import Workspaces


def build(context: Context[Settings]) -> FastAPI:
    """Prepare the sandbox's limits and serve."""
    sandbox = _sandbox(context)
    workspaces = Workspaces(context.paths.workspaces)
    app = application(context, title="MESO tool executor", checks=checks(sandbox, workspaces))
    _add_workspaces(app, workspaces)
    _add_tools(app, sandbox, workspaces)
    return app


SERVICE = Service("tool-executor", Settings, build)


def _sandbox(context: Context[Settings]) -> Sandbox:
    settings = context.settings
    limits = Limits(
        seconds=settings.call_seconds,
        memory=settings.call_memory_max,
        tasks=settings.call_tasks_max,
        text=settings.read_max,
    )
    turns = asyncio.Semaphore(settings.calls_at_once)
    try:
        return Sandbox(limits, context.kept.get("cgroups", delegated), turns)
    except MesoError as fault:
        # The service starts all the same, so that its health can say what is wrong.
        return Sandbox(limits, None, turns, fault)


def _add_workspaces(app: FastAPI, workspaces: Workspaces) -> None:
    @app.post("/v1/workspaces", status_code=201, responses=_CREATE)
    def create(request: wire.WorkspaceRef, response: Response) -> wire.WorkspaceReply:
        """Make a session's workspace. 200 and `created: false` if it was there already."""
        created = workspaces.create(request.session, request.branch)
        if not created:
            response.status_code = 200
        return wire.WorkspaceReply(session=request.session, branch=request.branch, created=created)

    @app.get("/v1/workspaces")
    def list_all() -> wire.WorkspacesReply:
        """All workspaces."""
        found = tuple(
            wire.WorkspaceRef(session=session, branch=branch)
            for session, branch in workspaces.list()
        )
        return wire.WorkspacesReply(workspaces=found)


def _add_tools(app: FastAPI, sandbox: Sandbox, workspaces: Workspaces) -> None:
    @app.post("/v1/tools/read", responses=errors(403, 404, 504))
    async def read(request: wire.ReadRequest) -> ReadReply:
        """Read lines of a file, in a sandbox that sees only this workspace."""
        place = await asyncio.to_thread(workspaces.find, request.session, request.branch)
        keys = {"path", "offset", "limit"}
        question = {"tool": "read", **request.model_dump(include=keys)}
        return ReadReply(**await sandbox.ask(place, question))


_CREATE = {200: {"model": wire.WorkspaceReply}, **errors(507)}
