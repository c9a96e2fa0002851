"""The face that all six services share, each started as it is on the appliance."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest

SERVICES = (
    *("session-manager", "memory-manager", "tool-executor"),
    *("operon-loader", "api-proxy", "mind-runner"),
)
METHODS = ("get", "post", "put", "delete", "patch")
IDLE_MIB = 350

each = pytest.mark.parametrize("name", SERVICES)


@each
def test_health_has_the_agreed_shape(service: Any, name: str) -> None:
    with service(name).client as client:
        for deep in (0, 1):
            reply = client.get("/healthz", params={"deep": deep})
            health = reply.json()
            assert set(health) == {"schema", "service", "version", "generation", "state", "checks"}
            assert (health["schema"], health["service"]) == (1, name)
            assert (health["state"] == "failed") == (reply.status_code == 503)
            assert health["checks"], "health must test what the service is for"
            for check in health["checks"]:
                assert set(check) == {"name", "ok", "ms", "detail"}
                assert check["ok"] or check["detail"]


@each
def test_every_route_documents_its_errors_in_the_one_shape(service: Any, name: str) -> None:
    """Each error status of each route refers to a schema with `error.code`."""
    with service(name).client as client:
        document = client.get("/openapi.json").json()
        assert client.get("/docs").status_code == 404  # it would load scripts from elsewhere
    schemas = document["components"]["schemas"]
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            operation = item[method]
            assert operation["description"], f"{method} {path} says nothing of itself"
            failing = {s: r for s, r in operation["responses"].items() if s >= "400"}
            assert {"400", "413", "422", "500", "503"} <= failing.keys(), (method, path)
            for status, response in failing.items():
                named = json.dumps(response["content"]["application/json"]["schema"])
                (error,) = [s for s in schemas if s.endswith("ErrorReply") and f'/{s}"' in named]
                assert "error" in schemas[error]["required"], (method, path, status)


@each
def test_its_own_configuration_is_strict(service: Any, name: str) -> None:
    running = service(name, {"no_such_key": 1}, start=False)
    running.launch()
    assert running.process.wait(30) == 1
    (line,) = running.log.splitlines()
    assert f"config/{name}.json: no_such_key: Extra inputs are not permitted" in line


@each
def test_it_reloads_and_stops_cleanly(service: Any, name: str) -> None:
    running = service(name, {})
    assert stat.S_IMODE(running.socket.stat().st_mode) == 0o660
    running.configure({"log_level": "debug"}, generation="test-2")
    running.reload()
    with running.client as client:
        assert client.get("/healthz").json()["generation"] == "test-2"
    began = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - began < 10
    assert "error:" not in running.log


def resident(pid: int) -> int:
    """Resident memory in bytes; of pages that several have, a share."""
    status = Path(f"/proc/{pid}/smaps_rollup").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("Pss:")]
    return int(line.split()[1]) * 1024


def test_all_six_together_fit_into_the_agreed_memory(service: Any) -> None:
    """Idle, after each was asked for its deep health once."""
    running = [service(name) for name in SERVICES]
    for one in running:
        with one.client as client:
            client.get("/healthz", params={"deep": 1})
    used = sum(resident(one.process.pid) for one in running) / 1024**2
    assert used <= IDLE_MIB
