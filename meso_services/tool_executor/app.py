"""The tool executor's application."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Response

from meso_services.contract import tools as wire
from meso_services.runtime.app import application, errors
from meso_services.runtime.context import Context
from meso_services.runtime.service import Service
from meso_services.tool_executor import routes_calls, routes_operator, routes_workspaces
from meso_services.tool_executor.health import checks
from meso_services.tool_executor.parts import assemble
from meso_services.tool_executor.settings import Settings
from meso_services.tool_executor.shadow.carrying import Carrier
from meso_services.tool_executor.shadow.desk import Desk
from meso_services.tool_executor.workspaces import Workspaces


def build(context: Context[Settings]) -> FastAPI:
    """Prepare the sandbox, the policy and the audit, and serve."""
    parts = assemble(context)
    app = application(context, title="MESO tool executor", checks=checks(parts))
    _add_workspaces(app, parts.workspaces)
    desk = context.kept.get(
        "desk", lambda: Desk(parts.workspaces, _shadows(context), parts.engine.occupied)
    )
    routes_workspaces.add(app, desk, Carrier(desk))
    routes_calls.add(app, parts)
    routes_operator.add(app, parts)
    return app


def _shadows(context: Context[Settings]) -> Path:
    """Where the snapshots are: no sandbox has this directory."""
    return context.paths.private("tool-executor") / "shadow"


SERVICE = Service("tool-executor", Settings, build)
_CREATE = {200: {"model": wire.WorkspaceReply}, **errors(507)}


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
