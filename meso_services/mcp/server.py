"""The MCP server: the appliance's tools and operations for any client of the protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import mcp_types as types
from anyio import to_thread
from mcp.server import Server
from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from meso_services.contract.client import CallError
from meso_services.contract.common import ErrorInfo
from meso_services.mcp import executing, prompts, resources
from meso_services.mcp.backend import Backend, Binding
from meso_services.mcp.results import failed, replied
from meso_services.mcp.tools import GROUPS
from meso_services.mcp.tools.spec import ToolSpec
from meso_services.runtime.version import VERSION

T = TypeVar("T")
EXECUTOR = "executor"
ALL_GROUPS = (EXECUTOR, *GROUPS)
INSTRUCTIONS = (
    "A MESO OS appliance. Its tools run in a sandbox on the appliance, not on your machine; "
    "paths are relative to the workspace. Every call is checked by the operator's policy and "
    "recorded. Begin with the prompt `identity`; load operons for the work at hand."
)
Context = ServerRequestContext[Any]


@dataclass(frozen=True)
class Offer:
    """What one server offers, and where its calls work."""

    backend: Backend = field(default_factory=Backend)
    binding: Binding = field(default_factory=Binding)
    groups: Sequence[str] = ALL_GROUPS

    def spec(self, name: str) -> ToolSpec | None:
        """The operation of that name, if it is offered."""
        return next((tool for tool in self.specs() if tool.name == name), None)

    def specs(self) -> list[ToolSpec]:
        """All operations of the offered groups."""
        return [tool for group in self.groups for tool in GROUPS.get(group, ())]


def build_server(offer: Offer, binding_of: Callable[[Context], Binding] | None = None) -> Server:
    """Make the server. `binding_of` chooses the workspace of a request (default: the offer's)."""
    handlers = _Handlers(offer, binding_of or (lambda _: offer.binding))
    return Server(
        "meso",
        version=VERSION,
        title="MESO OS",
        instructions=INSTRUCTIONS,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_resources=handlers.list_resources,
        on_list_resource_templates=handlers.list_templates,
        on_read_resource=handlers.read_resource,
        on_list_prompts=handlers.list_prompts,
        on_get_prompt=handlers.get_prompt,
    )


class _Handlers:
    def __init__(self, offer: Offer, binding_of: Callable[[Context], Binding]) -> None:
        self._offer = offer
        self._backend = offer.backend
        self._binding_of = binding_of

    async def list_tools(self, ctx: Context, _: object) -> types.ListToolsResult:
        tools = [_described(spec) for spec in self._offer.specs()]
        if EXECUTOR in self._offer.groups:
            binding = self._binding_of(ctx)
            tools += await _asked(lambda: executing.listed(self._backend, binding))
        return types.ListToolsResult(tools=tools)

    async def call_tool(
        self, ctx: Context, wanted: types.CallToolRequestParams
    ) -> types.CallToolResult:
        arguments = wanted.arguments or {}
        try:
            if spec := self._offer.spec(wanted.name):
                params = spec.params.model_validate(arguments)
                return replied(await to_thread.run_sync(spec.run, self._backend, params))
            if EXECUTOR not in self._offer.groups:
                raise _unknown(wanted.name)
            binding = self._binding_of(ctx)
            return await executing.call(ctx, self._backend, binding, wanted.name, arguments)
        except ValidationError as problem:
            return failed(_explained(problem))
        except CallError as problem:
            return failed(problem.info)

    async def list_resources(self, _ctx: Context, _: object) -> types.ListResourcesResult:
        found = await _asked(lambda: resources.listed(self._backend))
        return types.ListResourcesResult(resources=found)

    async def list_templates(self, _ctx: Context, _: object) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=list(resources.TEMPLATES))

    async def read_resource(
        self, _ctx: Context, wanted: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        uri = str(wanted.uri)
        content = await _asked(lambda: resources.read(self._backend, uri))
        if content is None:
            raise MCPError(types.INVALID_PARAMS, f"there is no resource {uri}")
        return types.ReadResourceResult(contents=[content])

    async def list_prompts(self, _ctx: Context, _: object) -> types.ListPromptsResult:
        return types.ListPromptsResult(prompts=list(prompts.PROMPTS))

    async def get_prompt(
        self, _ctx: Context, wanted: types.GetPromptRequestParams
    ) -> types.GetPromptResult:
        found = await _asked(
            lambda: prompts.get(self._backend, wanted.name, wanted.arguments or {})
        )
        if found is None:
            raise MCPError(types.INVALID_PARAMS, f"there is no prompt {wanted.name}")
        return found


def _described(spec: ToolSpec) -> types.Tool:
    hints = types.ToolAnnotations(
        read_only_hint=not spec.changes, destructive_hint=False, open_world_hint=False
    )
    return types.Tool(
        name=spec.name, description=spec.description, input_schema=spec.schema(), annotations=hints
    )


async def _asked(work: Callable[[], T]) -> T:
    """Run blocking work; a service's error becomes one of the protocol, with its code."""
    try:
        return await to_thread.run_sync(work)
    except CallError as problem:
        code = types.INTERNAL_ERROR if problem.status in (0, 500, 503) else types.INVALID_PARAMS
        raise MCPError(code, str(problem), problem.info.model_dump(mode="json")) from problem


def _unknown(name: str) -> MCPError:
    return MCPError(types.INVALID_PARAMS, f"there is no tool {name}")


def _explained(problem: ValidationError) -> ErrorInfo:
    first = problem.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "arguments"
    return ErrorInfo(
        code="request.invalid", message=f"{where}: {first['msg']}", hint="tools/list has the schema"
    )
