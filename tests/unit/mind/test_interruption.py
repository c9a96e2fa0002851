"""Ctrl-C in a run of a real process: once for an end in good order, twice for an end at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from meso_services.mind import changing, lines, session, state, vectors
from meso_services.mind.iteration import Around
from meso_services.mind.models import Reply
from meso_services.mind.runs import Wish
from meso_services.mind.runs import run as iterate
from meso_services.runtime import durable

from .test_sessions import CONFIG, made, reply, run
from .upstream import Upstream, serving

TREE = Path(__file__).parents[3]


class Gate:
    """A model that answers twice at once and then not before it may."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, _: dict[str, Any], number: int) -> str:
        if number == 2:
            self.reached.set()
            assert self.opened.wait(120)
        return reply([f"thought {number}"])


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Gate, subprocess.Popen[str], Path]]:
    """`mind run 1000` in a process of its own, in the middle of its third iteration."""
    gate = Gate()
    place = made(tmp_path / "m").directory
    words = (sys.executable, "-m", "meso_cli.mind")
    with serving(Upstream(gate)) as upstream:
        child = subprocess.Popen(
            [*words, "--session", str(place), "--endpoint", upstream.url, "run", "1000"],
            cwd=TREE,
            env={**os.environ, "PYTHONPATH": str(TREE)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert gate.reached.wait(120)
            yield gate, child, place
        finally:
            gate.opened.set()
            child.kill()
            child.wait()


def said(child: subprocess.Popen[str], words: str) -> None:
    """Wait until it has said so."""
    assert child.stderr is not None
    for line in child.stderr:
        if words in line:
            return
    raise AssertionError(f"it ended without saying {words!r}")


def test_the_first_one_ends_after_the_iteration(running: Any) -> None:
    gate, child, place = running
    child.send_signal(signal.SIGINT)
    said(child, "ending after this iteration")
    gate.opened.set()
    assert child.wait(120) == 130
    assert whole(place) == 3


def test_the_second_one_ends_at_once(running: Any) -> None:
    """The model still thinks; the session is the one of the iteration before, and goes on."""
    gate, child, place = running
    child.send_signal(signal.SIGINT)
    said(child, "ending after this iteration")
    child.send_signal(signal.SIGINT)
    assert child.wait(120) == 130
    assert "interrupted" in child.stderr.read()
    assert not gate.opened.is_set()
    assert whole(place) == 2
    with serving(Upstream(lambda _, n: reply([f"later {n}"]))) as upstream:
        run(state.open_mind(place), upstream, Wish(2))
    assert whole(place) == 4


def test_a_program_that_ends_it_gently_leaves_it_whole(running: Any) -> None:
    _, child, place = running
    child.send_signal(signal.SIGTERM)
    assert child.wait(120) == -signal.SIGTERM
    assert whole(place) == 2


def whole(place: Path) -> int:
    """The iteration; every file holds what belongs to it: one thought an iteration."""
    mind = state.open_mind(place)
    with changing.writing(mind):
        texts = [line["text"] for line in lines.read(place, session.THOUGHTS, mind.iteration)]
    assert len(texts) == mind.made == mind.iteration
    held = (place / vectors.NAME).stat().st_size
    assert held == 4 * mind.iteration * mind.config.embedding_dim
    return mind.iteration


class Instant:
    def ask(self, model: str, system: str, text: str, most_tokens: int, heard: Any) -> Reply:
        return Reply(reply(["one"], "hello"))


class Ones:
    def embed(self, texts: Any) -> Any:
        return vectors.np.ones((len(texts), 16), "f4") / 4


def test_nothing_is_written_after_a_commit_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file's disk is slow, another's full: the lock is held until both have ended."""
    mind = made(tmp_path / "m", CONFIG)
    real, late = durable.append, Future[float]()

    def append(path: Path, data: bytes) -> None:
        if path.name == "thoughts.jsonl":
            raise OSError(28, "no space")
        if path.name == "messages.jsonl":
            time.sleep(0.3)
            late.set_result(time.monotonic())
        real(path, data)

    monkeypatch.setattr(durable, "append", append)
    with pytest.raises(Exception, match="space"):
        list(iterate(mind, Wish(1), Around(Instant(), Ones())))
    ended = time.monotonic()
    assert late.result(60) < ended
    monkeypatch.undo()
    assert whole(tmp_path / "m") == 0
    list(iterate(mind, Wish(1), Around(Instant(), Ones())))
    assert whole(tmp_path / "m") == 1
    assert len(mind.pool()) == 2
