"""Every attempt of `tests/escapes` is refused and recorded, and the service stays up."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parents[2] / "escapes"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("escapes_run", HERE / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_attempt_is_refused_and_recorded(service: Any) -> None:
    """On this machine there may be no control groups; what needs them is shown on the image."""
    running = service("tool-executor", {"call_memory_max": "128M", "scratch_max": "64M"})
    escapes = load()
    made = escapes.make_all(HERE / "attempts.toml", "escapes", running.root / "run/meso")
    assert len(made) >= 40
    assert "\n".join(escapes.failures(made, cgroups=False)) == ""
    with running.client as client:
        assert client.get("/v1/audit/verify").json()["ok"]
        assert client.get("/healthz?deep=1").status_code == 200
    assert running.process.poll() is None
    outside = [p for p in running.root.rglob("*") if p.name in ("survived", "daemon")]
    assert outside == []
