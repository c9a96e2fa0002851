"""Runs a case of a custom tool's test in a sandbox, without a service."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from meso_services.tool_executor.custom import MOUNT, Case, CustomTool
from meso_services.tool_executor.running import Program, Ran, run
from meso_services.tool_executor.sandbox import Limits, Sandbox
from meso_services.tool_executor.walls import Walls

_LIMITS = Limits(seconds=60, memory=512 << 20, tasks=128, text=256 << 10)


async def run_case(tool: CustomTool, case: Case, place: Path) -> str:
    """What was wrong, or an empty string. `place` is an empty directory for its workspace.

    Raises `tools.sandbox_unavailable`.
    """
    if wrong := _written(case, place):
        return wrong
    sandbox = Sandbox(_LIMITS, None, asyncio.Semaphore(1))
    walls = Walls(place, writable=True, full=True, binds=((tool.folder, MOUNT),))
    program = Program(tool.argv, json.dumps(case.params).encode(), _LIMITS.seconds)
    return _judged(await run(sandbox, walls, program, lambda *_: None), case)


def _written(case: Case, place: Path) -> str:
    for name, content in case.files.items():
        file = place / name
        if not file.resolve().is_relative_to(place.resolve()):
            return f"the file {name!r} is outside of the workspace"
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        except OSError as error:
            return f"the file {name!r} cannot be made: {error.strerror}"
    return ""


def _judged(ran: Ran, case: Case) -> str:
    wanted, said = case.expect, ran.stdout.text()
    if ran.stopped or ran.code != wanted.exit_code:
        why = ran.stopped or f"exit status {ran.code}, not {wanted.exit_code}"
        return f"{why}: {ran.stderr.text().strip()[-500:]}"
    if wanted.stdout_contains is not None and wanted.stdout_contains not in said:
        return f"its output lacks {wanted.stdout_contains!r}: {said[:500]}"
    if wanted.output is not None:
        try:
            found = json.loads(said)
        except ValueError:
            return f"its output is not JSON: {said[:500]}"
        if found != wanted.output:
            return f"its output is {json.dumps(found)[:500]}, not {json.dumps(wanted.output)[:500]}"
    return ""
