"""The image's Python packages are the ones that the tests ran with, and they compute the same."""

from __future__ import annotations

import base64
import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from meso_host.vm.lab import LabMachine
from meso_services.runtime import process

CLUSTERS = Path(__file__).with_name("clusters.py")
SORTING = Path(__file__).with_name("sorting.py")


def clusters_here() -> dict[str, Any]:
    """Versions and labels on the computer that runs the tests."""
    result: dict[str, Any] = json.loads(process.run([sys.executable, CLUSTERS]).stdout)
    return result


def clusters_on(machine: LabMachine) -> dict[str, Any]:
    """The same program on a machine."""
    result: dict[str, Any] = json.loads(run_there(machine, CLUSTERS))
    return result


def run_there(machine: LabMachine, program: Path) -> str:
    """What a program says on the machine, which need not have the tests' files."""
    text = base64.b64encode(program.read_bytes()).decode()
    return machine.run(f"echo {text} | base64 -d | python3 -I -", timeout=600, check=True).stdout


def test_the_machine_s_processor_sorts_rightly(machine: LabMachine) -> None:
    """QEMU 7.2 emulates AVX2 wrongly; there three of ten orders were none, or it crashed."""
    assert run_there(machine, SORTING) == "0\n"


def test_clusters_are_those_of_the_computer_that_tests(machine: LabMachine) -> None:
    here = clusters_here()
    assert clusters_on(machine) == here
    # Three groups are found as three, and what lies far away is noise.
    groups = [set(here["labels"][start : start + 18]) for start in (0, 18, 36)]
    assert all(len(group) == 1 for group in groups)
    assert len(set.union(*groups)) == 3
    assert set(here["labels"][54:]) == {-1}


def test_installed_versions_are_those_that_the_tests_import(machine: LabMachine) -> None:
    listed = "from importlib import metadata as m; import json; "
    listed += "print(json.dumps({d.name: d.version for d in m.distributions()}))"
    asked = machine.run(f'python3 -I -c "{listed}"', timeout=300, check=True)
    there = json.loads(asked.stdout)
    assert {"fastapi", "hdbscan", "httpx", "numpy", "pydantic", "uvicorn"} <= there.keys()
    ours = {name: version for name, version in there.items() if name != "meso-os"}
    assert ours == {name: metadata.version(name) for name in ours}
