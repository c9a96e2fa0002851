"""The genome that ships loads without a problem, and each operon passes its own tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from meso_services.genome.load import Loaded, load
from meso_services.genome.match import Matcher, failed_tests

GENOME = Path(__file__).parents[3] / "genome"


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load(GENOME, GENOME / "zooids", GENOME / "operons")


def test_it_loads_without_a_problem(loaded: Loaded) -> None:
    assert [str(problem) for problem in loaded.problems] == []
    assert loaded.standing_orders.startswith("# Standing orders")


def test_it_holds_what_the_checkpoint_example_names(loaded: Loaded) -> None:
    zooids = [zooid.head.name for zooid in loaded.zooids]
    assert zooids == ["00-operator", "01-standing-orders", "04-security"]
    versions = {operon.head.name: operon.head.version for operon in loaded.operons}
    assert versions == {"orchestration": "v2", "knowledge": "v1", "math": "v1"}


def test_each_operon_passes_its_own_tests(loaded: Loaded) -> None:
    matcher = Matcher(loaded.operons)
    failures = [failure for operon in loaded.operons for failure in failed_tests(operon, matcher)]
    assert failures == []


def test_files_that_the_genome_mentions_exist(loaded: Loaded) -> None:
    texts = [loaded.standing_orders, *(z.text for z in loaded.zooids)]
    texts += [operon.text for operon in loaded.operons]
    paths = {file.path for file in loaded.files}
    for text in texts:
        mentioned = [part for part in text.split("`") if part.startswith("templates/")]
        assert set(mentioned) <= paths
