"""Puts the tool executor together from a configuration; a reload makes most of it anew."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from meso_services.mcp_client.provider import ExternalTools
from meso_services.runtime.context import Context
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.runtime.paths import Paths
from meso_services.tool_executor.approvals import Approvals
from meso_services.tool_executor.audit.log import Audit
from meso_services.tool_executor.calls import Calls
from meso_services.tool_executor.cgroups import Subtree, delegated
from meso_services.tool_executor.custom import load
from meso_services.tool_executor.engine import Engine
from meso_services.tool_executor.hiding import Covers
from meso_services.tool_executor.network import Network
from meso_services.tool_executor.occupied import Occupied
from meso_services.tool_executor.policy.judge import Judge
from meso_services.tool_executor.policy.settings import FILE, Policy
from meso_services.tool_executor.resident import Helpers
from meso_services.tool_executor.sandbox import Limits, Sandbox
from meso_services.tool_executor.security import Security
from meso_services.tool_executor.settings import Settings
from meso_services.tool_executor.toolbox import Toolbox
from meso_services.tool_executor.workspaces import Workspaces


@dataclass(frozen=True)
class Parts:
    """Everything that routes and health use."""

    engine: Engine
    calls: Calls
    workspaces: Workspaces
    generation: str

    @property
    def sandbox(self) -> Sandbox:
        return self.engine.toolbox.sandbox


def assemble(context: Context[Settings]) -> Parts:
    """Make the parts. What must outlive a reload is kept: calls, questions, the audit."""
    settings, kept, paths = context.settings, context.kept, context.paths
    generation = paths.generation()
    sandbox = _sandbox(context)
    toolbox = Toolbox(
        sandbox=sandbox,
        helpers=Helpers(sandbox),
        custom=load(generation / "genome/tools" if generation else None),
        network=Network(paths.run),
        most_seconds=settings.call_seconds_max,
        providers=(ExternalTools(settings.mcp_servers),),
    )
    audit = kept.get(
        "audit",
        lambda: Audit(
            paths.private("tool-executor") / "audit", settings.audit_segment, settings.audit_keep
        ),
        Audit.close,
    )
    policy = _policy(generation)
    audit.record("policy", data={"generation": context.generation, "rules": len(policy.rules)})
    security = None
    if policy.security.model:
        security = Security(policy.security, paths.socket("api-proxy"))
    approvals = kept.get("approvals", Approvals)
    occupied = kept.get("occupied", Occupied)
    engine = Engine(toolbox, Judge(policy), approvals, audit, _covers(paths), security, occupied)
    workspaces = Workspaces(paths.workspaces)
    return Parts(engine, kept.get("calls", Calls), workspaces, context.generation)


def _covers(paths: Paths) -> Covers:
    covers = Covers(paths.private("tool-executor") / "covers")
    try:
        covers.make()
    except OSError as problem:
        raise storage_error(problem, covers.place) from problem
    return covers


def _policy(generation: Path | None) -> Policy:
    """The generation's policy. Without one (development) the shipped rules alone count.

    Raises `policy.invalid`: a policy that can't be read must not become a laxer one.
    """
    if generation is None or not (generation / FILE).exists():
        return Policy()
    try:
        return Policy.read(generation / FILE)
    except (OSError, ValidationError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise MesoError("policy.invalid", f"{generation / FILE}: {first}") from None


def _sandbox(context: Context[Settings]) -> Sandbox:
    settings = context.settings
    limits = Limits(
        seconds=settings.call_seconds,
        memory=settings.call_memory_max,
        tasks=settings.call_tasks_max,
        text=settings.read_max,
        cpu=settings.call_cpu_percent,
        output=settings.output_max,
        flood=settings.call_output_max,
        scratch=settings.scratch_max,
        file=settings.file_max,
        reserve=settings.disk_reserve,
    )
    turns = context.kept.get("turns", lambda: asyncio.Semaphore(settings.calls_at_once))
    try:
        return Sandbox(limits, context.kept.get("cgroups", lambda: _subtree(context)), turns)
    except MesoError as fault:
        # The service starts all the same, so that its health can say what is wrong.
        return Sandbox(limits, None, turns, fault)


def _subtree(context: Context[Settings]) -> Subtree | None:
    """Control groups. An appliance that lacks them runs nothing; in development they may lack."""
    found = delegated()
    if found is None and context.paths.root == Path("/"):
        raise MesoError(
            "tools.sandbox_unavailable",
            "no control groups were delegated to the service, so nothing is run",
            status=503,
            hint="the unit needs Delegate= and DelegateSubgroup=",
        )
    return found
