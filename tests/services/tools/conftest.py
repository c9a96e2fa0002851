"""A workspace of its own for each test, on a service that the module shares."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Bench:
    """One workspace and the ways to use it."""

    executor: Any
    session: str

    @property
    def place(self) -> Path:
        directory: Path = self.executor.root / "meso/workspaces" / self.session / "main"
        return directory

    def post(self, path: str, body: Any, **more: Any) -> Any:
        with self.executor.client as client:
            return client.post(path, json=body, **more)

    def get(self, path: str) -> Any:
        with self.executor.client as client:
            return client.get(path).json()

    def body(self, tool: str, params: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"session": self.session, "tool": tool, "params": params, **more}

    def call(self, tool: str, params: dict[str, Any], **more: Any) -> Any:
        reply = self.post("/v1/tools/call", self.body(tool, params, **more)).json()
        assert "state" in reply, f"{reply}\n{self.executor.log[-2000:]}"
        return reply

    def bash(self, command: str, **more: Any) -> Any:
        return self.call("bash", {"command": command}, **more)

    def code(self, tool: str, params: dict[str, Any]) -> str:
        code: str = self.call(tool, params)["error"]["code"]
        return code

    def records(self, call: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"/v1/audit?call={call}")["records"]
        return found


def bench(executor: Any) -> Bench:
    made = Bench(executor, f"s-{secrets.token_hex(4)}")
    assert made.post("/v1/workspaces", {"session": made.session}).status_code == 201
    return made


@pytest.fixture(scope="module")
def executor(shared_service: Any) -> Any:
    return shared_service("tool-executor")


@pytest.fixture
def desk(executor: Any) -> Bench:
    return bench(executor)


@pytest.fixture
def make_bench() -> Any:
    """A function that makes a workspace on a service of the test's own."""
    return bench
