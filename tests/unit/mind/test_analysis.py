"""Analyses against plain readings of what they promise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meso_services.mind import changing, extract
from meso_services.mind.analysis import ask, compare, lives, measures, messages, record, times
from meso_services.mind.analysis.record import Record
from meso_services.mind.clustering import normalised
from meso_services.mind.state import Mind
from meso_services.runtime.errors import MesoError

from .crafted import CONFIG, WIDTH, begun, grow, towards


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Twenty iterations about one thing, a message, twenty about another; some noise."""
    rng = np.random.default_rng(4)
    mind = begun(tmp_path_factory.mktemp("analysis") / "m")
    for number in range(40):
        if number == 20:
            changing.say(mind, "user", "mind_0", "Now something else.")
        some = [towards(0 if number < 20 else 5, rng) for _ in range(3)]
        if number % 10 == 9:
            some.append(normalised(rng.normal(size=(1, WIDTH)).astype(np.float32))[0])
        grow(mind, some, seen=[max(0, mind.made - 1)], say="so" if number == 30 else "")
    return record.load(mind.directory)


def test_diversity_is_the_mean_distance_of_all_pairs(held: Record) -> None:
    rows = times.diversity(held, 5)
    assert [row["iteration"] for row in rows] == [0, 10, 20, 30, 40]
    pool = held.vectors[held.pool(20)]
    pairs = [1 - float(a @ b) for n, a in enumerate(pool) for b in pool[n + 1 :]]
    assert rows[2]["diversity"] == pytest.approx(np.mean(pairs), abs=1e-4)
    assert rows[0]["thoughts"] == 0
    assert (rows[2]["clusters"], rows[2]["perplexity"]) == (1, 1.0)


def test_novelty_is_the_distance_to_the_nearest_of_the_pool_before(held: Record) -> None:
    far = times.nearest_before(held)
    for number in range(0, len(held.thoughts), 7):
        pool = held.vectors[held.pool(int(held.made[number]))]
        if not len(pool):
            assert np.isnan(far[number])
            continue
        assert far[number] == pytest.approx(
            max(0, 1 - (pool @ held.vectors[number]).max()), abs=1e-5
        )
    rows = times.novelty(held, 4)
    assert sum(row["thoughts"] for row in rows) == int((~np.isnan(far)).sum())
    # The change of subject is the newest thing there was.
    assert rows[2]["novelty"] > rows[1]["novelty"]


@pytest.mark.parametrize("wide", [1, 2, 5])
def test_dimensionality_counts_the_directions_a_set_extends_in(wide: int) -> None:
    rng = np.random.default_rng(wide)
    points = np.zeros((4000, WIDTH), np.float32)
    points[:, :wide] = rng.normal(size=(4000, wide))
    variances = measures.spread(points)
    assert measures.effective_dimensionality(variances) == pytest.approx(wide, rel=0.05)


def test_aspect_ratio_is_length_by_width() -> None:
    rng = np.random.default_rng(1)
    points = np.zeros((2000, WIDTH), np.float32)
    points[:, 0], points[:, 1] = rng.normal(size=2000) * 3, rng.normal(size=2000)
    assert measures.aspect_ratio(measures.spread(points)) == pytest.approx(3, rel=0.1)
    points[:, 1] = 0
    assert measures.aspect_ratio(measures.spread(points)) > 1000
    assert measures.aspect_ratio(measures.spread(points[:1])) == 0


def test_lives_of_clusters(held: Record) -> None:
    first, second = lives.lives(held)[:2]
    assert (first["born"], first["latest"], first["state"], first["active"]) == (0, 19, "gone", 0)
    # HDBSCAN may want a second look before it names them.
    assert second["born"] in (20, 21)
    assert (second["latest"], second["state"]) == (39, "steady")
    assert (first["size"], first["returns"]) == (60, 20)
    assert first["coherence"] == pytest.approx(
        float(np.linalg.norm(held.vectors[held.members(0)].mean(axis=0))), abs=1e-3
    )


def test_a_trajectory_is_the_way_of_the_centroid(held: Record) -> None:
    path = next(p for p in lives.trajectories(held) if p["cluster"] == "cluster_0")
    members = held.vectors[held.members(0)].astype(np.float64)
    begin, end = (measures.centroid(members[:n].astype(np.float32)) for n in (3, len(members)))
    assert path["drift"] == pytest.approx(1 - float(begin @ end), abs=1e-4)
    assert [p["iteration"] for p in path["points"]] == list(range(20))
    assert path["points"][0]["drift"] == 0


def test_attractors_are_what_it_returns_to(held: Record) -> None:
    rows = lives.attractors(held)
    assert [row["cluster"] for row in rows[:2]] == ["cluster_1", "cluster_0"]
    assert rows[0]["share"] == pytest.approx(60 / len(held.thoughts), abs=1e-4)
    assert rows[0]["constancy"] == 1


def test_the_message_that_changed_the_subject_stands_out(held: Record) -> None:
    rows = messages.impact(held)
    changed = next(row for row in rows if row["text"] == "Now something else.")
    assert changed["unusual"] >= 0.95
    assert changed["new_clusters"] == ["cluster_1"]
    assert changed["shift"] > 0.5
    answer = next(row for row in rows if row["text"] == "so")
    assert answer["shift"] < 0.1
    assert rows[0]["shift"] is None

    def embed(texts: Any) -> Any:
        target = np.zeros((len(texts), WIDTH), np.float32)
        target[:, 5] = 1
        return target

    drawn = next(r for r in messages.impact(held, 5, embed) if r["message"] == changed["message"])
    assert drawn["pull"] > 0.8


def test_lineage_leads_back_to_what_was_seen(held: Record) -> None:
    tree = messages.lineage(held, "thought", len(held.thoughts) - 1, 2)
    parent = next(one for one in tree["from"] if one["what"] == "thought")
    assert parent["id"] == held.thoughts[-1]["from"]["thoughts"][0]
    assert {one["what"] for one in tree["from"]} == {"thought", "message"}
    assert all(not below["from"] for one in tree["from"] for below in one["from"])
    for what, number in (("thought", 10_000), ("message", -1), ("dream", 0)):
        with pytest.raises(MesoError) as problem:
            messages.lineage(held, what, number)
        assert problem.value.code == "mind.no_such_thing"


def test_windows_follow_a_group_from_one_to_the_next(held: Record) -> None:
    rows = times.windows(held, 10, 5)
    assert [row["first"] for row in rows] == [0, 5, 10, 15, 20, 25, 30]
    # The largest group of each window; noise may make small ones beside it.
    largest = [max(row["groups"], key=lambda g: g["size"])["group"] for row in rows]
    assert len(set(largest[:3])) == 1
    assert len(set(largest[4:])) == 1
    assert largest[0] != largest[6]
    with pytest.raises(MesoError):
        times.windows(held, 0, 1)


def test_sessions_are_compared_by_what_their_clusters_mean(held: Record, tmp_path: Path) -> None:
    itself = compare.compare(held, held)
    assert [(p["one"], p["other"]) for p in itself["same"]][:1] == [("cluster_0", "cluster_0")]
    assert itself["apart"] == pytest.approx(0, abs=1e-6)
    assert itself["only_one"] == itself["only_other"] == []
    rng = np.random.default_rng(9)
    mind = begun(tmp_path / "other")
    for _ in range(6):
        grow(mind, [towards(5, rng) for _ in range(3)])
    other = compare.compare(held, record.load(mind.directory))
    assert [(p["one"], p["other"]) for p in other["same"]] == [("cluster_1", "cluster_0")]
    assert "cluster_0" in other["only_one"]
    assert other["apart"] > 0.1
    foreign = begun(tmp_path / "foreign", CONFIG.model_copy(update={"embedding_model": "x/y"}))
    with pytest.raises(MesoError) as problem:
        compare.compare(held, record.load(foreign.directory))
    assert problem.value.code == "mind.other_embedding"


@pytest.mark.parametrize("what", [w for w in ask.WHAT if w != "lineage"])
def test_a_session_without_thoughts_can_be_asked_everything(tmp_path: Path, what: str) -> None:
    mind = begun(tmp_path / "m")
    before = {p: p.read_bytes() for p in mind.directory.rglob("*") if p.is_file()}
    assert ask.ask(mind.directory, what, {}, other=mind.directory) is not None
    assert {p: p.read_bytes() for p in mind.directory.rglob("*") if p.is_file()} == before


def test_the_pool_of_the_past_had_the_size_of_the_past(tmp_path: Path) -> None:
    """Ten iterations at 12, ten at 4, and today's is 30; a fork knows it too."""
    rng = np.random.default_rng(5)
    mind = begun(tmp_path / "m", CONFIG.model_copy(update={"active_pool_size": 12}))
    for number in range(20):
        if number == 10:
            _resize(mind, 4)
        grow(mind, [towards(axis, rng) for axis in range(3)])
    _resize(mind, 30)
    for place in (tmp_path / "m", _fork(tmp_path / "m", tmp_path / "fork")):
        found = record.load(place)
        sizes = {row["iteration"]: row["thoughts"] for row in times.diversity(found)}
        assert (sizes[3], sizes[9], sizes[10], sizes[19]) == (9, 12, 4, 4)
        # Of 36 thoughts the four newest are looked at, and one of the axis may be among them.
        far = times.nearest_before(found)
        for thought in (31, 32, 40, 59):
            pool = found.vectors[found.pool(int(found.made[thought]))]
            nearest = 1 - float((pool @ found.vectors[thought]).max())
            assert far[thought] == pytest.approx(nearest, abs=1e-5)
        assert sizes[20] == 30


def _resize(mind: Mind, size: int) -> None:
    wanted = {"active_pool_size": size}
    changing.configure(mind, mind.config.model_copy(update=wanted), wanted)


def _fork(source: Path, target: Path) -> Path:
    extract.extract(source, target, 0, None)
    return target


@pytest.mark.parametrize(("size", "step"), [(20, 25), (5, 40), (50, 25), (1, 1), (100, 1)])
def test_no_window_begins_after_the_end(held: Record, size: int, step: int) -> None:
    rows = times.windows(held, size, step)
    assert rows
    assert all(row["first"] <= row["last"] < held.iteration for row in rows)
