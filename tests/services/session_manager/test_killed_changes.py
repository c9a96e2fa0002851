"""Kills at random points of merges, checkpoints and restores: each is whole or was never begun."""

from __future__ import annotations

import random
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

KILLS = 5


@dataclass
class Told:
    """What the service acknowledged."""

    entries: list[str] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)
    merges: list[dict[str, Any]] = field(default_factory=list)
    restored: int = 0


class Worker(threading.Thread):
    """One client that changes a session in every way until the service is gone."""

    def __init__(self, manager: Any, session: str, told: Told, dice: random.Random) -> None:
        super().__init__()
        self.manager, self.told, self.dice = manager, told, dice
        self.url = f"/v1/sessions/{session}"
        self.session = session
        self.turn = 0
        self.unsure: tuple[str, dict[str, Any], str] | None = None

    def run(self) -> None:
        try:
            with self.manager.client as client:
                while True:
                    self.step(client)
        except httpx.TransportError:
            return

    def post(self, client: httpx.Client, path: str, body: dict[str, Any]) -> Any:
        """Asked under a key that is remembered until there is an answer."""
        key = uuid.uuid4().hex
        self.unsure = (path, body, key)
        reply = client.post(path, json=body, headers={"Idempotency-Key": key})
        assert reply.status_code in (200, 201), reply.text
        self.unsure = None
        return reply.json()

    def step(self, client: httpx.Client) -> None:
        self.turn += 1
        match self.dice.randrange(4):
            case 0:
                name = f"b{uuid.uuid4().hex[:8]}"
                self.post(client, f"{self.url}/branches", {"name": name, "workspace": False})
                for word in ("one", "two"):
                    self.say(client, f"{name} {word}", branch=name)
                wanted = {"source": name, "target": "main", "workspace": False}
                self.told.merges.append(self.post(client, f"{self.url}/merge", wanted))
            case 1:
                made = self.post(client, "/v1/checkpoints", {"session": self.session, "name": "n"})
                self.told.checkpoints.append(made["checkpoint_id"])
            case 2 if self.told.checkpoints:
                ident = self.dice.choice(self.told.checkpoints)
                reply = client.post(f"/v1/checkpoints/{ident}/restore", json={})
                assert reply.status_code == 200, reply.text
                self.told.restored += 1
            case _:
                self.say(client, f"word {self.turn}")

    def say(self, client: httpx.Client, text: str, **more: Any) -> None:
        entry = {"type": "message", "data": {"message": {"role": "user", "content": text}}, **more}
        self.told.entries.append(self.post(client, f"{self.url}/entries", entry)["id"])


@pytest.mark.timeout(600)  # as many starts as kills
def test_what_was_acknowledged_is_there_and_nothing_is_half(root: Path, service: Any) -> None:
    dice = random.Random(random.randrange(10**6))  # noqa: S311
    manager = service("session-manager")
    with manager.client as client:
        session = client.post("/v1/sessions", json={}).json()["id"]
    told = Told()
    for _ in range(KILLS):
        worker = Worker(manager, session, told, dice)
        worker.start()
        worker.join(timeout=0.3 + dice.random())
        manager.kill()
        worker.join(timeout=60)
        assert not worker.is_alive()
        manager.start()
        again(manager, worker, told)
        judge(manager, session, told)
    assert told.entries


def again(manager: Any, worker: Worker, told: Told) -> None:
    """What had no answer is asked again under its key: once to finish it, once more for nothing."""
    if worker.unsure is None:
        return
    path, body, key = worker.unsure
    with manager.client as client:
        head = {"Idempotency-Key": key}
        first, second = (client.post(path, json=body, headers=head) for _ in range(2))
        assert first.status_code in (200, 201), first.text
        assert second.status_code in (200, 201), second.text
        if path.endswith("/checkpoints"):
            told.checkpoints.append(first.json()["checkpoint_id"])
            assert second.json()["checkpoint_id"] == first.json()["checkpoint_id"]
        if path.endswith("/merge"):
            told.merges.append(first.json())


def judge(manager: Any, session: str, told: Told) -> None:
    with manager.client as client:
        found, after = [], {}
        while True:
            page = client.get(f"/v1/sessions/{session}/entries", params={"limit": 1000, **after})
            found += page.json()["entries"]
            if page.json()["next"] is None:
                break
            after = {"after": page.json()["next"]}
        assert set(told.entries) <= {entry["id"] for entry in found}
        listed = client.get("/v1/checkpoints").json()
        assert listed["unreadable"] == []
        assert set(told.checkpoints) <= {row["checkpoint_id"] for row in listed["checkpoints"]}
        sources = [entry["data"]["data"]["source"] for entry in found
                   if entry["data"].get("customType") == "meso.merge"]  # fmt: skip
        # A merge that was asked for again was done once.
        assert len(sources) == len(set(sources))
        assert {merge["source"] for merge in told.merges} <= set(sources)
        for ident in told.checkpoints:
            assert client.get(f"/v1/checkpoints/{ident}").status_code == 200
        assert client.get(f"/v1/sessions/{session}/context").status_code == 200
    assert not list((manager.root / "meso/checkpoints/.restores").glob("*.json"))
