"""Machines for the VM tests.

`machine` is shared: a test may look, and must leave it as it was.
`workshop` is the same one, for tests that change something or restart it, and leave it
healthy: they come after all that only look.
`fresh_machine` is the test's own, booted and healthy; a marker says how it differs:

    @pytest.mark.machine(name="vps", disk_bus="nvme", nic="e1000e", plugged=False,
                         power_cut=True, start=False)

Both have `run(command, user="root")`, `root` and `operator` (testinfra hosts),
and what `meso_host.vm.lab.LabMachine` says.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from meso_cli.progress import Progress
from meso_host.setup import tree
from meso_host.vm.lab import Lab, LabMachine
from meso_host.vm.machine import Machine

Note = Callable[[str], None]
DEFAULT = "x86-minipc"
# What the shared machine's hypervisor hands to it beside the SSH keys.
SECRETS = (("meso.key.example", "sk-not-a-true-key"),)
# A boot under software emulation on a busy computer, several of them, with room.
SECONDS = 1500


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this room boots a machine, so it may take long."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.vm)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session")
def steps(request: pytest.FixtureRequest) -> Callable[[str], AbstractContextManager[Note]]:
    """Progress on the real terminal while pytest captures the rest."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    @contextmanager
    def step(what: str) -> Iterator[Note]:
        with capture.global_and_fixture_disabled():
            sys.stderr.write("\n")
            with Progress(1, sys.stderr).step(what) as note:
                yield note

    return step


@pytest.fixture(scope="session")
def image(steps: Callable[[str], AbstractContextManager[Note]]) -> Callable[[str], Path]:
    """The directory of an appliance's image, built when first asked for."""
    built: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in built:
            with steps(f"image of {name}") as note:
                built[name] = importlib.import_module("meso_host.build").build(name, note)
        return built[name]

    return get


@pytest.fixture(scope="session")
def lab(
    image: Callable[[str], Path], steps: Callable[[str], AbstractContextManager[Note]]
) -> Iterator[Lab]:
    """Where machines are made; none is left at the end."""
    made = Lab(tree.STATE / "vm", image, steps)
    yield made
    made.close()


@pytest.fixture
def machine(lab: Lab) -> LabMachine:
    """The shared machine of x86-minipc, awake."""
    return lab.shared(DEFAULT, SECRETS)


@pytest.fixture
def workshop(lab: Lab, request: pytest.FixtureRequest) -> Iterator[LabMachine]:
    """The shared machine for a test that changes it and leaves it healthy. After a test
    that failed, the next one gets another."""
    machine = lab.shared(DEFAULT, SECRETS)
    failed = request.session.testsfailed
    yield machine
    if request.session.testsfailed > failed:
        lab.discard(machine)


@pytest.fixture
def fresh_machine(lab: Lab, request: pytest.FixtureRequest) -> Iterator[LabMachine]:
    """A machine of the test's own."""
    marker = request.node.get_closest_marker("machine")
    wish: dict[str, Any] = dict(marker.kwargs) if marker else {}
    name = wish.pop("name", DEFAULT)
    start = wish.pop("start", True)
    power_cut = wish.pop("power_cut", False)
    made = lab.fresh(name, Machine(**wish), power_cut=power_cut)
    try:
        if start:
            made.start()
        yield made
    finally:
        lab.retire(made)
