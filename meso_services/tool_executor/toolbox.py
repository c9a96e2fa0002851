"""The tools: what each call asks of the policy, and how it is run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from meso_services.contract.common import Message
from meso_services.contract.tools import CallRequest, ToolInfo, ToolsReply
from meso_services.contract.tools_params import (
    BashParams,
    BashReply,
    CustomParams,
    CustomReply,
    EditParams,
    ReadParams,
    WriteParams,
)
from meso_services.providers import MOST_ANSWER, Provider, SandboxCommand
from meso_services.runtime.app import invalid_request
from meso_services.runtime.errors import MesoError
from meso_services.tool_executor.custom import MOUNT, CustomTool, CustomTools
from meso_services.tool_executor.network import Network
from meso_services.tool_executor.policy.judge import Question
from meso_services.tool_executor.resident import Agreed, Helpers
from meso_services.tool_executor.running import OnOutput, Program, Ran, run, stopped
from meso_services.tool_executor.sandbox import Sandbox
from meso_services.tool_executor.walls import WORKSPACE, Walls

_FILE_TOOLS: dict[str, tuple[type[Message], str]] = {
    "read": (ReadParams, "Read lines of a file in the workspace."),
    "write": (WriteParams, "Write a whole file in the workspace: made, or replaced at once."),
    "edit": (EditParams, "Replace a text in a file that occurs exactly once."),
}
_BASH = "Run a command line by bash in the workspace's sandbox. Only files are kept."
# Where pip installs on the image: our own packages and the MCP client.
_PACKAGES = ((Path("/usr/local/lib"), "/usr/local/lib"),)
P = TypeVar("P", bound=Message)


@dataclass(frozen=True)
class Job:
    """A call whose parameters fit: what the policy is asked, and what will be run."""

    question: Question
    params: Message | None
    custom: CustomTool | None = None
    command: SandboxCommand | None = None
    provider: Provider | None = None
    given: dict[str, Any] = field(default_factory=dict)
    # Where the path led when the policy was asked; it must lead there still.
    resolved: str | None = None
    # What the policy keeps from it, as `Walls.covers`.
    covers: Sequence[tuple[Path, str]] = ()

    @property
    def is_file(self) -> bool:
        """Whether a resident does it, in two steps if it changes something."""
        return self.question.tool in _FILE_TOOLS

    @property
    def changes(self) -> bool:
        """Whether it may change something, so that the audit must be on the disk before."""
        return self.question.tool != "read"


@dataclass(frozen=True)
class _Where:
    """A workspace, what is covered in it, and what a call sees besides."""

    place: Path
    covers: Sequence[tuple[Path, str]]
    binds: Sequence[tuple[Path, str]] = ()


@dataclass(frozen=True)
class Toolbox:
    """Every tool of a configuration."""

    sandbox: Sandbox
    helpers: Helpers
    custom: CustomTools
    network: Network
    providers: Sequence[Provider] = ()
    most_seconds: int = 3600
    # What a provider's commands see besides, (outside, inside).
    packages: Sequence[tuple[Path, str]] = _PACKAGES

    def info(self) -> ToolsReply:
        """All tools, by name."""
        models: dict[str, tuple[type[Message], str]]
        models = {**_FILE_TOOLS, "bash": (BashParams, _BASH)}
        builtin = [
            ToolInfo(name=n, description=text, parameters=m.model_json_schema(), source="builtin")
            for n, (m, text) in models.items()
        ]
        others = [tool.info for tool in self.custom.tools.values()]
        provided = [tool for provider in self.providers for tool in provider.tools()]
        tools = sorted([*builtin, *others, *provided], key=lambda tool: tool.name)
        return ToolsReply(tools=tuple(tools), problems=self.custom.problems)

    def job(self, request: CallRequest) -> Job:
        """What a call is. Raises `tools.no_such_tool`, `tools.invalid_params`."""
        name, given = request.tool, request.params
        if name == "custom_tool":
            inner = _params(CustomParams, given)
            name, given = inner.name, inner.params
        if name in _FILE_TOOLS:
            params = _params(_FILE_TOOLS[name][0], given)
            path: str = params.path  # type: ignore[attr-defined]
            return Job(_question(request, name, paths=[path]), params)
        if name == "bash":
            bash = _params(BashParams, given)
            asked = _question(request, name, command=bash.command, hosts=bash.hosts)
            return Job(asked, bash)
        if tool := self.custom.tools.get(name):
            tool.check(given)
            return Job(_question(request, name, source="custom"), None, custom=tool, given=given)
        return self._provided(request, name, given)

    def _provided(self, request: CallRequest, name: str, given: dict[str, Any]) -> Job:
        for provider in self.providers:
            if any(tool.name == name for tool in provider.tools()):
                command = provider.command(name, given)
                asked = _question(request, name, source="provider", hosts=command.hosts)
                return Job(asked, None, command=command, provider=provider)
        raise MesoError(
            "tools.no_such_tool",
            f"there is no tool {name!r}",
            status=404,
            hint="GET /v1/tools lists them",
        )

    async def file(self, job: Job, place: Path, agreed: Agreed) -> dict[str, Any]:
        """Run a file tool; what it gives. A change is seen only after `agreed` has returned."""
        given = {"expected": job.resolved, **(job.params.model_dump() if job.params else {})}
        request = {"tool": job.question.tool, **given}
        return await self.helpers.ask(place, request, agreed if job.changes else None)

    async def run(
        self, job: Job, place: Path, seconds: int | None, on_output: OnOutput
    ) -> dict[str, Any]:
        """Run any other tool; what it gives. Raises MesoError."""
        tool = job.question.tool
        if isinstance(job.params, BashParams):
            # An argument of its own: what it holds is not read a second time.
            argv = ["/usr/bin/bash", "-c", job.params.command]
            command = SandboxCommand(argv, job.params.stdin.encode(), job.params.hosts)
            ran = await self._run(command, _Where(place, job.covers), seconds, on_output)
            return _reply(ran, BashReply).model_dump(mode="json")
        if job.custom is not None:
            stdin = json.dumps(job.given).encode()
            where = _Where(place, job.covers, ((job.custom.folder, MOUNT),))
            command = SandboxCommand(job.custom.argv, stdin)
            ran = await self._run(command, where, seconds, on_output)
            return _custom_reply(ran).model_dump(mode="json")
        if job.command is not None and job.provider is not None:
            binds = [each for each in self.packages if each[0].exists()]
            where = _Where(place, job.covers, binds)
            ran = await self._roomy()._run(job.command, where, seconds, on_output)
            return job.provider.result(tool, ran.stdout.text().encode())
        raise RuntimeError(f"a job of {tool} that nothing runs")

    def _roomy(self) -> Toolbox:
        """For providers: they bound their answers themselves; cut in the middle one is none."""
        limits = replace(self.sandbox.limits, output=2 * MOST_ANSWER)
        return replace(self, sandbox=replace(self.sandbox, limits=limits))

    async def _run(
        self,
        command: SandboxCommand,
        where: _Where,
        seconds: int | None,
        on_output: OnOutput,
    ) -> Ran:
        limits = self.sandbox.limits
        most = min(seconds or command.seconds or limits.seconds, self.most_seconds)
        walls = Walls(
            where.place,
            writable=True,
            full=True,
            scratch=limits.scratch,
            binds=where.binds,
            covers=where.covers,
        )
        async with self.network.granted(command.hosts, most) as way:
            program = Program(way.argv(command.argv), command.stdin, most)
            ran = await run(self.sandbox, way.walls(walls), program, on_output)
        if error := stopped(ran, limits, most):
            error.detail |= _reply(ran, BashReply).model_dump(mode="json")
            raise error
        return ran


def _question(request: CallRequest, tool: str, **more: Any) -> Question:
    return Question(tool=tool, session=request.session, branch=request.branch, **more)


def _params(model: type[P], given: dict[str, Any]) -> P:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        found = invalid_request(error.errors(include_url=False))
        raise MesoError(
            "tools.invalid_params",
            found.message,
            status=422,
            hint="GET /v1/tools has the schema of the parameters",
            detail=found.detail,
        ) from None


def _reply(ran: Ran, model: Callable[..., P]) -> P:
    return model(
        exit_code=ran.code,
        stdout=ran.stdout.text(),
        stderr=ran.stderr.text(),
        truncated=bool(ran.stdout.omitted or ran.stderr.omitted),
        omitted_bytes=ran.stdout.omitted + ran.stderr.omitted,
        seconds=round(ran.seconds, 3),
        memory_peak=ran.memory_peak,
        violations=tuple(ran.violations),
    )


def _custom_reply(ran: Ran) -> CustomReply:
    reply = _reply(ran, CustomReply)
    try:
        output = json.loads(reply.stdout) if not reply.truncated else None
    except (ValueError, RecursionError):
        output = None
    return reply.model_copy(update={"output": output})


__all__ = ["WORKSPACE", "Job", "Toolbox"]
