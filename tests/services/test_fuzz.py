"""Schemathesis asks each service what its OpenAPI document allows, and what it forbids.

No answer may be a 500, and none may have a status, a type or a shape that the document lacks.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
import urllib3
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

SECONDS = 10.0
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
SERVICES = (
    *("session-manager", "memory-manager", "tool-executor"),
    *("operon-loader", "api-proxy", "mind-runner"),
)


class UnixConnection(urllib3.connection.HTTPConnection):
    """An HTTP connection to a socket whose path stands in `unix_path` of its class."""

    unix_path = ""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.unix_path)


class UnixAdapter(requests.adapters.HTTPAdapter):
    """Sends everything to one socket, whatever the URL's host."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._pool = urllib3.HTTPConnectionPool("meso")
        self._pool.ConnectionCls = type("Connection", (UnixConnection,), {"unix_path": str(path)})

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> Any:
        return self._pool


def new_session(client: httpx.Client) -> dict[str, str]:
    task = client.post("/v1/tasks", json={"subject": "a"}).json()["id"]
    session = client.post("/v1/sessions", json={}).json()["id"]
    said = {"type": "message", "data": {"message": {"role": "user", "content": "a"}}}
    made = client.post("/v1/checkpoints", json={"session": session}).json()
    return {
        "session": session,
        "task": task,
        "branch": "main",
        "entry": client.post(f"/v1/sessions/{session}/entries", json=said).json()["id"],
        "checkpoint": made["checkpoint_id"],
        "transfer": client.post("/v1/transfers").json()["transfer"],
    }


def new_memory(client: httpx.Client) -> dict[str, str]:
    return {"id": client.post("/v1/memories", json={"content": "a"}).json()["memory"]["id"]}


def new_mind(client: httpx.Client) -> dict[str, str]:
    return {"name": client.post("/v1/minds", json={"name": "a", "prompt": "b"}).json()["name"]}


# What a path's parameters may be to reach beyond "not found".
KNOWN: dict[str, Callable[[httpx.Client], dict[str, str]]] = {
    "session-manager": new_session,
    "memory-manager": new_memory,
    "mind-runner": new_mind,
}


def cases(operation: Any, known: dict[str, str]) -> st.SearchStrategy[Any]:
    """Requests to one operation: right and wrong ones, to things that exist and that do not."""
    named = {
        item.name: known[item.name] for item in operation.path_parameters if item.name in known
    }
    modes = [GenerationMode.POSITIVE]
    if list(operation.iter_parameters()) or list(operation.body):
        modes.append(GenerationMode.NEGATIVE)
    found = [operation.as_strategy(mode) for mode in modes]
    if named:
        found += [operation.as_strategy(mode, path_parameters=named) for mode in modes]
    return st.one_of(*found)


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_undocumented_is_answered(service: Any, name: str) -> None:
    running = service(name)
    session = requests.Session()
    session.mount("http://", UnixAdapter(running.socket))
    with running.client as client:
        document = client.get("/openapi.json").json()
        known = KNOWN.get(name, lambda _: {})(client)
    operations = [
        found.ok() for found in schemathesis.openapi.from_dict(document).get_all_operations()
    ]
    until = time.monotonic()
    for operation in operations:
        until += SECONDS / len(operations)
        asked = fuzzer(cases(operation, known), session)
        asked()
        while time.monotonic() < until:
            asked()
    assert running.process.poll() is None
    assert "error:" not in running.log


def fuzzer(requested: st.SearchStrategy[Any], session: requests.Session) -> Callable[[], None]:
    """A function that asks a few times; a wrong answer fails with the request as curl has it."""

    @settings(
        max_examples=10,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=requested)
    def ask(case: Any) -> None:
        answer = case.call(base_url="http://meso", session=session, timeout=30)
        # The proxy's own word for "no upstream" is 503; a service that broke says 500.
        wrong = [check for check in CHECKS if answer.status_code != 503 or check is not CHECKS[0]]
        case.validate_response(answer, checks=wrong)

    return ask
