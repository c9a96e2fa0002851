"""A finished thought is embedded while the next one is written; its vector is the same."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from meso_services.mind.ahead import MOST_TEXT, MOST_THOUGHTS, Ahead
from meso_services.mind.clustering import Floats
from meso_services.runtime.errors import MesoError

REPLY = "thoughts:\n  - the first thought\n  - the second one\n  - and a third\nmessages: []\n"
ALL = ["the first thought", "the second one", "and a third"]


class Counting:
    """Vectors that follow from the text, and what was asked for."""

    early = True

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.done = threading.Event()
        self.failing = False

    def embed(self, texts: Sequence[str]) -> Floats:
        self.asked.append(list(texts))
        self.done.set()
        if self.failing:
            raise MesoError("embed.busy", "not now", status=503)
        return np.array([[len(text), hash(text) % 97] for text in texts], np.float32)


def heard(ahead: Ahead, reply: str = REPLY) -> None:
    """Tell it the reply as it grows, line by line."""
    said = ""
    for line in reply.splitlines(keepends=True):
        said += line
        ahead.hear(said)


def test_what_is_finished_is_embedded_before_the_reply_ends() -> None:
    embedder = Counting()
    with Ahead(embedder) as ahead:
        heard(ahead, REPLY[: REPLY.index("  - and a third")] + "  - and")
        assert embedder.done.wait(60)
        vectors = ahead.embed(ALL)
        assert embedder.asked == [[text] for text in ALL]
    assert np.array_equal(vectors, Counting().embed(ALL))


def test_the_vectors_do_not_depend_on_what_was_heard() -> None:
    results = []
    for pieces in ("", REPLY[:40], REPLY):
        with Ahead(Counting()) as ahead:
            heard(ahead, pieces)
            results.append(ahead.embed(ALL))
    assert all(np.array_equal(results[0], one) for one in results)


def test_a_reply_that_is_asked_for_again_and_one_that_changes_its_mind() -> None:
    embedder = Counting()
    with Ahead(embedder) as ahead:
        heard(ahead)
        heard(ahead, REPLY.replace("second", "other"))
        found = ahead.embed(["the first thought", "the other one"])
    assert np.array_equal(found, Counting().embed(["the first thought", "the other one"]))
    assert embedder.asked.count(["the first thought"]) == 1


def test_an_early_error_is_told_only_if_it_is_still_one() -> None:
    embedder = Counting()
    embedder.failing = True
    with Ahead(embedder) as ahead:
        heard(ahead)
        with pytest.raises(MesoError) as error:
            ahead.embed(ALL)
        assert error.value.code == "embed.busy"
        embedder.failing = False
        assert len(ahead.embed(ALL)) == 3


@pytest.mark.parametrize(
    "reply",
    [
        "x" * (MOST_TEXT + 1) + "\n" + REPLY,
        "thoughts:\n" + "".join(f"  - thought number {n}\n" for n in range(500)) + "skip: false\n",
        "\n- [{&a *a}\n- \x00\n" * 50,
        "```yaml\n" + REPLY + "```\n",
    ],
    ids=["flood", "many", "nonsense", "fenced"],
)
def test_nothing_that_is_said_does_harm(reply: str) -> None:
    embedder = Counting()
    with Ahead(embedder) as ahead:
        heard(ahead, reply)
    assert len(embedder.asked) <= MOST_THOUGHTS


def test_a_model_that_wants_all_texts_at_once_gets_them() -> None:
    embedder = Counting()
    embedder.early = False
    with Ahead(embedder) as ahead:
        heard(ahead)
        ahead.embed(ALL)
    assert embedder.asked == [ALL]
