"""The embedding service: real process, real model, gone when nobody asks."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest

from meso_host.setup import model as files


@pytest.fixture(scope="module")
def place() -> Path:
    return files.bring(lambda _: None)


@pytest.fixture(scope="module")
def embed(shared_service: Any, place: Path) -> Any:
    return shared_service("embed", environment={"MESO_MODEL": str(place)})


def test_texts_become_unit_vectors(embed: Any) -> None:
    texts = ["A thought about gardens.", "Ein Gedanke über Gärten.", "x " * 600]
    reply = embed.client.post("/v1/embed", json={"texts": texts}).json()
    assert (reply["model"], reply["dimension"]) == ("all-MiniLM-L6-v2", 384)
    assert [len(vector) for vector in reply["vectors"]] == [384] * 3
    assert all(math.isclose(math.hypot(*v), 1, abs_tol=1e-5) for v in reply["vectors"])
    assert reply["truncated"] == [False, False, True]
    assert reply["tokens"][2] == 256


@pytest.mark.parametrize("texts", [[], ["x"] * 257, [1], "x"])
def test_what_is_no_list_of_texts_is_refused(embed: Any, texts: Any) -> None:
    reply = embed.client.post("/v1/embed", json={"texts": texts})
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "request.invalid")


def test_deep_health_tells_meanings_apart(embed: Any) -> None:
    health = embed.client.get("/healthz?deep=1").json()
    assert health["state"] == "ok"
    assert [check["name"] for check in health["checks"]] == ["files", "meaning"]


def test_without_the_model_it_says_so(service: Any, tmp_path: Path) -> None:
    running = service("embed", environment={"MESO_MODEL": str(tmp_path)})
    reply = running.client.post("/v1/embed", json={"texts": ["x"]})
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "embed.no_model")
    assert running.client.get("/healthz").json()["state"] == "failed"


def test_memory_stays_within_its_bound(service: Any, place: Path) -> None:
    """Loaded, and after full windows: more texts only take longer, not more memory."""
    running = service("embed", environment={"MESO_MODEL": str(place), "OPENBLAS_NUM_THREADS": "1"})
    running.client.post("/v1/embed", json={"texts": ["word " * 400] * 16}, timeout=120)
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    (peak,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    assert int(peak.split()[1]) / 1024 <= 250


def test_it_leaves_when_nobody_asks(service: Any, place: Path) -> None:
    """Health checks do not keep it: a console that shows them would keep it for ever."""
    settings = {"idle_exit_seconds": 2}
    running = service("embed", settings=settings, environment={"MESO_MODEL": str(place)})
    deadline = time.monotonic() + 20
    while running.process.poll() is None and time.monotonic() < deadline:
        try:
            running.client.get("/healthz")
        except Exception:
            break
        time.sleep(0.3)
    assert running.process.wait(10) == 0
