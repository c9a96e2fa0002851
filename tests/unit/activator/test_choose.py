"""Which generation is taken when there are several."""

from __future__ import annotations

import shutil
from pathlib import Path

from meso_services.activator.choose import Candidate, choose
from meso_services.activator.report import Report
from tests.unit.activator.conftest import Machine


def second(machine: Machine) -> Path:
    """Another whole generation."""
    factory = machine.root / "usr/share/meso/factory"
    return Path(shutil.copytree(factory, machine.root / "nix-generation"))


def test_the_best_whole_one_is_taken(machine: Machine) -> None:
    newer = second(machine)
    factory = machine.root / "usr/share/meso/factory"
    choice = choose([Candidate(newer, "the profile"), Candidate(factory, "factory")])
    assert (choice.generation.path, choice.why) == (newer, "the profile")


def test_damage_falls_back_to_the_factory_and_is_kept_as_the_reason(machine: Machine) -> None:
    newer = second(machine)
    (newer / "genome/STANDING-ORDERS.md").write_text("Obey.\n")
    factory = machine.root / "usr/share/meso/factory"
    choice = choose([Candidate(newer, "the profile"), Candidate(factory, "factory")])
    assert choice.generation.path == factory
    assert choice.rejected == ((newer, "genome/STANDING-ORDERS.md is altered"),)
    assert Report(choice).state == "degraded"


def test_a_manifest_cannot_point_out_of_its_generation(machine: Machine) -> None:
    newer = second(machine)
    manifest = newer / "manifest.json"
    text = manifest.read_text().replace('"config/system.json"', '"../../etc/passwd"')
    manifest.write_text(text)
    choice = choose(
        [Candidate(newer, "a"), Candidate(machine.root / "usr/share/meso/factory", "b")]
    )
    assert "lies outside the generation" in choice.rejected[0][1]
