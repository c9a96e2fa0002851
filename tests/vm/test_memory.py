"""Memory on a booted machine: written, found again after a reboot, and brought back."""

from __future__ import annotations

import json
import shlex
import time
from typing import Any

import pytest

from meso_host.vm.lab import LabMachine


def meso(machine: LabMachine, *words: str) -> Any:
    """What `meso WORDS --json` prints, as the operator."""
    command = shlex.join(["meso", *words, "--json"])
    return json.loads(machine.run(command, user="operator", check=True).stdout)


def _found(machine: LabMachine, *words: str) -> list[str]:
    return [hit["id"] for hit in meso(machine, "memory", "search", *words)["hits"]]


def _embedded(machine: LabMachine, seconds: float = 300) -> None:
    """The embedding unit starts with the first request; in software that takes a while."""
    end = time.monotonic() + seconds
    while meso(machine, "memory", "stats")["without_vector"]:
        assert time.monotonic() < end, "no vector came"
        time.sleep(2)


@pytest.mark.destructive
def test_written_found_after_a_reboot_and_restored_from_a_checkpoint(
    workshop: LabMachine,
) -> None:
    """Service, git, embedding unit and session manager of the image play together."""
    machine = workshop
    text = "The lighthouse keeper waters tomatoes."
    name = meso(machine, "memory", "write", text, "--source", "operator")["memory"]["id"]
    _embedded(machine)
    session = meso(machine, "session", "create", "--name", "memories")["id"]
    made = meso(machine, "checkpoint", "create", session, "with the lighthouse")
    with machine.restarting():
        machine.run("systemctl reboot")
    assert name in _found(machine, "lighthouse")
    why = meso(machine, "memory", "why", name)
    assert why["events"][0]["kind"] == "born"
    assert meso(machine, "memory", "history", name)["commits"][0]["author"] == "operator"
    path = f"/meso/memory/{why['path']}"
    machine.run(f"sed -i s/tomatoes/roses/ {path}", check=True)
    assert name in _found(machine, "roses")
    authors = [one["author"] for one in meso(machine, "memory", "history", name)["commits"]]
    assert authors == ["by hand", "operator"]
    meso(machine, "memory", "forget", name)
    assert name not in _found(machine, "lighthouse")
    done = meso(machine, "checkpoint", "restore", made["checkpoint_id"], "--memory", "checkpoint")
    assert done["memory"].startswith("checkpoint")
    assert name in _found(machine, "tomatoes")
    receipt = meso(machine, "memory", "forget", name, "--purge", "--yes")
    assert receipt["checkpoints"].startswith("1 versions removed")
    assert name not in _found(machine, "lighthouse")
    left = machine.run("grep -rl lighthouse /meso/memory /meso/checkpoints")
    assert left.stdout == ""
