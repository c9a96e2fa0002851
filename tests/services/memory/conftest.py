"""A memory manager of one's own, and how tests speak to it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

REAL_GIT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
}


@dataclass
class Memories:
    """A running service."""

    running: Any

    @property
    def directory(self) -> Path:
        place: Path = self.running.root / "meso/memory"
        return place

    def post(self, path: str, body: dict[str, Any], status: int | None = None) -> Any:
        reply = self.running.client.post(path, json=body)
        assert status is None or reply.status_code == status, reply.text
        return reply.json()

    def put(self, path: str, body: dict[str, Any]) -> Any:
        return self.running.client.put(path, json=body)

    def get(self, path: str, /, **query: Any) -> Any:
        reply = self.running.client.get(path, params=query)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def write(self, content: str, **more: Any) -> Any:
        reply = self.running.client.post("/v1/memories", json={"content": content, **more})
        assert reply.status_code in (200, 201), reply.text
        return reply.json()

    def found(self, query: str) -> list[str]:
        return [hit["id"] for hit in self.get("/v1/search", q=query, use=False)["hits"]]

    def kinds(self, name: str) -> list[str]:
        return [event["kind"] for event in self.get(f"/v1/memories/{name}/why")["events"]]

    def git(self, *words: str) -> str:
        """Git as an operator would call it, on the service's repository."""
        argv = ["git", f"--git-dir={self.directory}/.git", *words]
        done = subprocess.run(argv, env=REAL_GIT, capture_output=True, check=True)
        return done.stdout.decode(errors="replace")

    def commits(self, name: str) -> Any:
        return self.get(f"/v1/memories/{name}/history")["commits"]


@pytest.fixture
def memories(service: Any) -> Memories:
    """Edits by hand are looked for at every search."""
    return Memories(service("memory-manager", {"rescan_seconds": 0}))


def eventually(found: Callable[[], Any], seconds: float = 30.0) -> Any:
    """The first true answer."""
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return answer
