"""The MCP server as a service: `/mcp` on its socket."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.requests import Request
from starlette.routing import Route

from meso_services.mcp.backend import Backend, Binding
from meso_services.mcp.health import checks
from meso_services.mcp.mount import Endpoint
from meso_services.mcp.server import Context as McpContext
from meso_services.mcp.server import Offer, build_server
from meso_services.mcp.settings import Settings
from meso_services.runtime.app import application
from meso_services.runtime.context import Context
from meso_services.runtime.service import Service

SESSION_HEADER, BRANCH_HEADER = "meso-session", "meso-branch"


def build(context: Context[Settings]) -> FastAPI:
    """The application; a reload makes another one, and open requests finish on the old."""
    settings = context.settings
    binding = Binding(settings.session, settings.branch)
    offer = Offer(Backend(context.paths.run), binding, settings.groups)
    app = application(context, title="MESO MCP server", checks=checks(offer))
    endpoint = Endpoint(
        build_server(offer, lambda ctx: _binding(ctx, binding)),
        clients=settings.max_clients,
        idle_seconds=settings.client_idle_seconds,
        body=settings.max_body,
    )
    # A plain route: what comes through it is the SDK's, not part of the OpenAPI document.
    app.router.routes.append(Route("/mcp", endpoint=endpoint))
    return app


def _binding(ctx: McpContext, default: Binding) -> Binding:
    """The workspace that the request's headers choose; then no argument changes it."""
    if not isinstance(ctx.request, Request):
        return default
    headers = ctx.request.headers
    session = headers.get(SESSION_HEADER)
    branch = headers.get(BRANCH_HEADER)
    if session is None and branch is None:
        return default
    return Binding(session or default.session, branch or default.branch, pinned=True)


SERVICE = Service(
    "mcp", Settings, build, idle_exit=lambda settings: float(settings.idle_exit_seconds)
)
