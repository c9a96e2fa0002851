"""Clusters that fall apart: divided, durably, the same after reopening."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meso_services.contract.mind import MindConfig
from meso_services.mind import changing, extract, registry, session, splitting, state, view
from meso_services.mind.clustering import Change, Clusters, normalised
from meso_services.mind.iteration import _cluster
from meso_services.mind.splitting import Rules
from meso_services.mind.state import Mind
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError

from .crafted import CONFIG, begun, commit, towards
from .test_sessions import same

WIDE = CONFIG.model_copy(update={"active_pool_size": 60})
FEWER = list(range(0, 30, 3))


def apart(mind: Mind, count: int = 30) -> None:
    """One cluster whose members lie along two axes, a third of them along the second."""
    rng = np.random.default_rng(2)
    held = np.array([towards(0 if n % 3 else 4, rng) for n in range(count)])
    changes = [Change(n, 0, "centroid" if n else "hdbscan", 0.1) for n in range(count)]
    mind.clusters.add([0] * count, held)
    commit(mind, held, changes)


def test_the_largest_group_keeps_the_number_and_sums_stay_whole(tmp_path: Path) -> None:
    mind = begun(tmp_path / "m", WIDE)
    apart(mind)
    total = mind.clusters.sums[:1].sum(axis=0).copy()
    (planned,) = view.split(mind, "cluster_0", dry_run=True)
    assert mind.clusters.count == 1
    (made,) = view.split(mind, "cluster_0", dry_run=False)
    assert made == planned | {"nearest": made["nearest"]}
    assert (made["cluster"], made["from"], made["thoughts"]) == ("cluster_1", "cluster_0", 10)
    assert mind.clusters.sizes[:2].tolist() == [20, 10]
    assert np.allclose(mind.clusters.sums[:2].sum(axis=0), total)
    assert sorted(t for t, c in mind.cluster_of.items() if c == 1) == FEWER
    assert min(mind.clusters.coherence()) > 0.9
    assert len(view.members(mind, "cluster_0")) == 20
    assert [m["thought"] for m in view.members(mind, "cluster_1")] == FEWER
    assert session.inspect(mind.directory).clusters == 2


def test_a_split_is_the_same_after_reopening_also_without_the_registry(tmp_path: Path) -> None:
    mind = begun(tmp_path / "m", WIDE)
    apart(mind)
    registry.save(mind.directory, mind.clusters, mind.iteration)
    changing.split(mind, 0)
    same(mind, state.open_mind(mind.directory))
    apart_again = np.array([towards(4, np.random.default_rng(n)) for n in range(2)])
    commit(mind, apart_again, [Change(30, 1, "centroid", 0.1), Change(31, 1, "centroid", 0.1)])
    again = state.open_mind(mind.directory)
    assert again.clusters.sizes[:2].tolist() == [20, 12]
    extract.extract(mind.directory, tmp_path / "fork", 0, None)
    same(state.open_mind(tmp_path / "fork"), again)


def test_another_process_sees_a_split_before_its_next_iteration(tmp_path: Path) -> None:
    mind = begun(tmp_path / "m", WIDE)
    apart(mind)
    other = state.open_mind(mind.directory)
    changing.split(other, 0)
    assert state.refresh(mind)
    same(mind, other)


def test_what_is_of_one_piece_stays_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    mind = begun(tmp_path / "m", WIDE)
    held = np.array([towards(0, rng) for _ in range(12)])
    mind.clusters.add([0] * 12, held)
    commit(mind, held, [Change(n, 0, "centroid", 0.1) for n in range(12)])
    before = (mind.directory / session.ASSIGNMENTS).read_bytes()
    assert view.split(mind, "cluster_0", dry_run=False) == []
    assert (mind.directory / session.ASSIGNMENTS).read_bytes() == before
    for name in ("cluster_9", "cluster_²", "x", ""):
        with pytest.raises(MesoError) as problem:
            view.split(mind, name, dry_run=True)
        assert problem.value.code == "mind.no_such_cluster"


def test_nothing_is_split_while_iterations_run(tmp_path: Path) -> None:
    mind = begun(tmp_path / "m", WIDE)
    apart(mind)
    with changing.running(mind.directory), pytest.raises(MesoError) as problem:
        changing.split(mind, 0)
    assert problem.value.code == "mind.busy"


def test_a_crash_leaves_a_split_done_or_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mind = begun(tmp_path / "m", WIDE)
    apart(mind)
    before = state.open_mind(mind.directory)

    def broken(*_: Any, **__: Any) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(durable, "write", broken)
    with pytest.raises(MesoError):
        changing.split(mind, 0)
    monkeypatch.undo()
    same(mind, before)
    same(state.open_mind(mind.directory), before)


def test_groups_that_match_each_other_are_one() -> None:
    """HDBSCAN sees two; their centroids are nearer than the threshold."""
    rng = np.random.default_rng(5)
    one, other = np.zeros(12), np.zeros(12)
    one[0], other[0], other[1] = 1, 1, 0.6
    held = normalised(
        np.array([base + rng.normal(size=12) * 0.02 for base in [one, other] * 6], np.float32)
    )
    given = (list(range(12)), held)
    assert splitting.plan(1, 0, given, Rules(0.3, 3)) == []
    assert len(splitting.plan(1, 0, given, Rules(0.05, 3))) == 6


def test_it_happens_by_itself_only_when_the_session_says_so(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    # So many that the cluster has grown by a quarter.
    fresh = np.array([towards(4 if n % 2 else 0, rng) for n in range(10)])

    def grown(place: Path, config: MindConfig) -> list[Change]:
        mind = begun(place, config)
        apart(mind)
        return _cluster(mind, fresh)

    wide = WIDE.model_copy(update={"centroid_match_threshold": 0.7})
    assert all(c.by == "centroid" for c in grown(tmp_path / "off", wide))
    assert "split_below" not in wide.written()
    on = wide.model_copy(update={"split_below": 0.9, "centroid_match_threshold": 0.7})
    moved = [c for c in grown(tmp_path / "on", on) if c.by == "split"]
    assert {c.thought for c in moved} >= {*FEWER, 31, 33, 35}
    assert all(c.thought in FEWER or c.thought in (31, 33, 35, 37, 39) for c in moved)
    assert {(c.left, c.cluster) for c in moved} == {(0, 1)}


def test_a_cluster_is_looked_at_as_it_grows_not_in_every_iteration() -> None:
    clusters = Clusters(4)
    held = normalised(np.eye(4, dtype=np.float32))
    looked = []
    for number in range(400):
        clusters.add([0], held[[number % 4]])
        looked += splitting.due(clusters, [Change(number, 0, "centroid", 0.1)], 0.9, 3)
    assert 10 < len(looked) < 25
