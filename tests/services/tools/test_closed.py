"""It fails closed: each ingredient of the sandbox is broken in turn, and then nothing runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from meso_services.runtime.errors import MesoError
from meso_services.tool_executor import running, seccomp, walls
from meso_services.tool_executor.cgroups import Subtree
from meso_services.tool_executor.resident import Helpers
from meso_services.tool_executor.running import Program
from meso_services.tool_executor.sandbox import Limits, Sandbox
from meso_services.tool_executor.walls import Walls

LIMITS = Limits(seconds=10, memory=256 << 20, tasks=64, text=64 << 10)
Break = Callable[[pytest.MonkeyPatch, Path], dict[str, Any]]


def no_bubblewrap(patch: pytest.MonkeyPatch, place: Path) -> dict[str, Any]:
    patch.setattr(walls, "BWRAP", "/nonexistent/bwrap")
    return {"bwrap": "/nonexistent/bwrap"}


def no_filter(patch: pytest.MonkeyPatch, place: Path) -> dict[str, Any]:
    patch.setattr(seccomp, "program", lambda: b"\x06\x00\x00\x00")
    return {}


def unknown_processor(patch: pytest.MonkeyPatch, place: Path) -> dict[str, Any]:
    patch.setattr(seccomp, "program", partial(seccomp.program, "vax"))
    return {}


def no_workspace(patch: pytest.MonkeyPatch, place: Path) -> dict[str, Any]:
    return {"workspace": place / "gone"}


def no_group(patch: pytest.MonkeyPatch, place: Path) -> dict[str, Any]:
    return {"subtree": Subtree(place / "no-cgroup")}


def refused_option(patch: pytest.MonkeyPatch, place: Path) -> dict[str, Any]:
    known = walls.arguments

    def more(*given: Any) -> list[str]:
        return [*known(*given), "--no-such-option"]

    patch.setattr("meso_services.tool_executor.sandbox.arguments", more)
    return {}


@pytest.mark.parametrize(
    "how", [no_bubblewrap, no_filter, unknown_processor, no_workspace, no_group, refused_option]
)
def test_nothing_runs_without(how: Break, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    changed = how(monkeypatch, tmp_path)
    place = changed.get("workspace", tmp_path / "w")
    sandbox = Sandbox(LIMITS, changed.get("subtree"), asyncio.Semaphore(1))
    own = {"bwrap": changed["bwrap"]} if "bwrap" in changed else {}
    wanted = Walls(place, writable=True, full=True, **own)
    command = Program(["/bin/sh", "-c", "echo ran > /workspace/ran"], seconds=10)
    with pytest.raises(MesoError) as caught:
        asyncio.run(running.run(sandbox, wanted, command, lambda *_: None))
    assert caught.value.code == "tools.sandbox_unavailable"
    assert not (tmp_path / "w/ran").exists()


def test_the_file_tools_are_closed_in_the_same_way(tmp_path: Path) -> None:
    fault = MesoError("tools.sandbox_unavailable", "broken", status=503)
    helpers = Helpers(Sandbox(LIMITS, None, asyncio.Semaphore(1), fault))
    (tmp_path / "f").write_text("secret")
    with pytest.raises(MesoError) as caught:
        asyncio.run(helpers.ask(tmp_path, {"tool": "read", "path": "f", "offset": 1, "limit": 1}))
    assert caught.value.code == "tools.sandbox_unavailable"


def test_a_policy_that_cannot_be_read_is_not_replaced_by_a_laxer_one(service: Any) -> None:
    running_service = service("tool-executor", {}, start=False)
    place = running_service.root / "nix/store/test-1/policy"
    place.mkdir(parents=True)
    (place / "tools.json").write_text('{"default": "allow", "surprise": 1}')
    running_service.launch()
    assert running_service.process.wait(30) == 1
    assert "policy.invalid" in running_service.log
