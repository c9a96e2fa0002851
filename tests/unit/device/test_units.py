"""The units as the image gets them: evaluated by Nix, checked against what the parts agreed on."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from meso_services.boot.machine import SERVICES
from meso_services.runtime import process

TREE = Path(__file__).parents[3]
OVERLAY = TREE / "images/debian/overlay"
PREFIX = "usr/lib/systemd/system/"

pytestmark = [
    pytest.mark.nix,
    pytest.mark.skipif(shutil.which("nix-instantiate") is None, reason="needs Nix"),
]


@cache
def modules() -> dict[str, Any]:
    """`modules/` evaluated."""
    argv = ["nix-instantiate", "--eval", "--strict", "--json", TREE / "modules"]
    evaluated: dict[str, Any] = json.loads(process.run(argv, timeout=60).stdout)
    return evaluated


def unit(name: str) -> dict[str, list[str]]:
    """A rendered unit: its directives with all their values, in order."""
    found: dict[str, list[str]] = {}
    for line in modules()["files"][PREFIX + name].splitlines():
        if "=" in line:
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


def services() -> list[str]:
    """Every service unit that is ours."""
    names = (path.removeprefix(PREFIX) for path in modules()["files"])
    return [name for name in names if name.endswith(".service")]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_and_its_socket_belong_together(service: str) -> None:
    socket, body = unit(f"meso-{service}.socket"), unit(f"meso-{service}.service")
    doors = ["/run/meso/egress.sock"] if service == "api-proxy" else []
    assert socket["ListenStream"] == [f"/run/meso/{service}.sock", *doors]
    assert (socket["SocketGroup"], socket["SocketMode"]) == (["meso"], ["0660"])
    assert body["User"] == body["Group"] == [f"meso-{service}"]
    assert body["Type"] == ["notify-reload"]
    assert {f"meso-{service}.service", f"meso-{service}.socket"} <= set(modules()["enable"])


@pytest.mark.parametrize("service", SERVICES)
def test_the_program_of_a_service_exists(service: str) -> None:
    words = unit(f"meso-{service}.service")["ExecStart"][0].split()
    assert words[:3] == ["/usr/bin/python3", "-I", "-m"]
    assert importlib.util.find_spec(words[3]) is not None


@pytest.mark.parametrize("service", SERVICES)
def test_the_memory_limit_is_the_one_that_the_configuration_documents(service: str) -> None:
    settings = importlib.import_module(f"meso_services.{service.replace('-', '_')}.settings")
    default = settings.Settings.model_fields["memory_max"].default
    assert unit(f"meso-{service}.service")["MemoryMax"] == [default]


def test_only_the_proxy_may_reach_the_network() -> None:
    for service in SERVICES:
        body = unit(f"meso-{service}.service")
        families = " ".join(body["RestrictAddressFamilies"]).split()
        if service == "api-proxy":
            assert families == ["AF_UNIX", "AF_INET", "AF_INET6"]
        else:
            assert body["PrivateNetwork"] == ["yes"]
            assert not {"AF_INET", "AF_INET6"} & set(families)


def test_no_unit_waits_for_the_network() -> None:
    for name in services():
        body = unit(name)
        waits = " ".join(body.get("After", []) + body.get("Requires", []) + body.get("Wants", []))
        assert not re.search(r"network(-online)?\.target|wait-online", waits), name


def test_every_service_is_in_the_slice_and_keeps_no_core() -> None:
    for name in services():
        # A slice goes with the shutdown; the power unit has to outlive its beginning.
        slice_ = [] if name == "meso-power.service" else ["meso.slice"]
        assert unit(name).get("Slice", []) == slice_, name
        assert unit(name)["LimitCORE"] == ["0"], name


def test_the_sandbox_can_mount_its_own_proc() -> None:
    """Directives that mount over /proc would make every tool call fail."""
    body = unit("meso-tool-executor.service")
    assert body["ProtectProc"] == ["default"]
    assert body["ProcSubset"] == ["all"]
    for name in ("ProtectKernelTunables", "ProtectKernelLogs", "ProtectControlGroups"):
        assert body[name] == ["no"]


def test_the_overlay_holds_no_secret_and_nothing_setuid() -> None:
    for path in OVERLAY.rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue
        assert path.stat().st_mode & 0o7000 == 0, path
        text = path.read_text()
        assert "PRIVATE KEY" not in text, path
        assert not re.search(r"ssh-(ed25519|rsa) AAAA|\$[156y]\$", text), path
