"""Who the agent on a booted machine is, and how its operator changes that."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meso_host.registry.keys import Keys
from meso_host.registry.publish import publish
from meso_host.registry.repository import DAYS, Repository
from meso_host.vm.lab import LabMachine
from meso_services.contract.identity_hash import read_genome_directory
from meso_services.genome.start import make

GENOME = Path(__file__).resolve().parents[2] / "genome"
OTHER, SITE, PORT = "/run/meso-test-generation", "/run/meso-test-registry", 8971
SERVICES = "meso-operon-loader meso-api-proxy"


def meso(machine: LabMachine, *words: str, user: str = "operator") -> Any:
    """The result of a verb on the machine."""
    done = machine.run(f"meso {' '.join(words)} --json", user=user)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def test_the_identity_is_the_one_that_the_host_computes(machine: LabMachine) -> None:
    expected = read_genome_directory(GENOME).hash
    assert meso(machine, "identity", "verify")["problems"] == []
    assert meso(machine, "identity", "show")["hash"] == expected
    assert meso(machine, "identity", "show", "factory")["hash"] == expected


def test_why_an_operon_loads_can_be_asked(machine: LabMachine) -> None:
    reply = meso(machine, "operon", "why", "'What is 17 * 23'")
    assert [found["name"] for found in reply["loaded"]] == ["math"]


@pytest.fixture
def other_generation(machine: LabMachine, tmp_path: Path) -> Iterator[LabMachine]:
    """The machine on a generation with one zooid changed and a registry that it serves itself.

    Afterwards it is as before.
    """
    repository = Repository(tmp_path / "site", Keys(tmp_path / "keys"), DAYS)
    repository.create()
    make(tmp_path / "garden")
    publish(repository, [tmp_path / "garden"])
    put(machine, repository.directory, SITE)
    registry = {"url": f"http://127.0.0.1:{PORT}", "root_sha256": repository.root_sha256()}
    egress = {"allow": [f"127.0.0.1:{PORT}"], "networks": ["127.0.0.0/8"]}
    machine.run(
        f"cp -r /run/meso/current/. {OTHER}; chmod -R u+w {OTHER};"
        f"sed -i 's/^version: v1/version: v2/' {OTHER}/zooids/04-security.md;"
        f"systemd-run --unit meso-test-registry python3 -m http.server --bind 127.0.0.1"
        f" --directory {SITE} {PORT}",
        check=True,
    )
    for service, key, value in (
        ("operon-loader", "registry", registry),
        ("api-proxy", "egress", egress),
    ):
        place = f"{OTHER}/config/{service}.json"
        settings = json.loads(machine.run(f"cat {place}").stdout)
        settings[key] |= value
        put_text(machine, json.dumps(settings), place)
    yield machine
    machine.run(
        f"systemctl stop meso-test-registry; ln -sfn /usr/share/meso/factory /run/meso/current;"
        f"rm -rf {OTHER} {SITE} /meso/operons/.registry /meso/operons/.history;"
        f"systemctl reload {SERVICES}; meso identity revert 04-security"
    )


def put(machine: LabMachine, directory: Path, place: str) -> None:
    """Copy a directory to the machine."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(directory, ".")
    text = base64.b64encode(packed.getvalue()).decode()
    machine.run(f"mkdir -p {place}; echo {text} | base64 -d | tar -xz -C {place}", check=True)


def put_text(machine: LabMachine, text: str, place: str) -> None:
    """Write a file on the machine."""
    raw = base64.b64encode(text.encode()).decode()
    machine.run(f"echo {raw} | base64 -d > {place}", check=True)


def test_a_local_edit_lives_through_an_update_and_an_operon_comes_from_a_registry(
    other_generation: LabMachine,
) -> None:
    machine = other_generation
    before = meso(machine, "identity", "show")
    machine.run(
        "sed 's/^# Security/# Security, at home/' /meso/zooids/04-security.md > /run/edited.md;"
        "chmod 644 /run/edited.md",
        check=True,
    )
    edit = meso(machine, "identity", "edit", "04-security", "--text", "/run/edited.md")
    assert edit["state"] == "edited"
    machine.run(
        f"ln -sfn {OTHER} /run/meso/current; systemctl reload {SERVICES}; sleep 1", check=True
    )
    after = meso(machine, "identity", "show")
    assert after["zooid_versions"]["04-security"] == "v2"
    assert after["declared"] != before["hash"]
    assert [(d["path"], d["change"]) for d in after["local"]] == [("04-security.md", "changed")]
    texts = machine.run("cat /meso/zooids/04-security.md").stdout
    assert "# Security, at home" in texts
    assert [o["name"] for o in meso(machine, "operon", "search")["operons"]] == ["garden"]
    refused = machine.run("meso operon add garden", user="operator")
    assert refused.status == 1
    assert "nothing was changed" in refused.stderr
    done = meso(machine, "operon", "add", "garden", "--yes")
    assert done["change"]["to_version"] == "v1"
    loaded = meso(machine, "operon", "why", "garden")["loaded"]
    assert [found["name"] for found in loaded] == ["garden"]
    audit = machine.run("journalctl -o cat -u meso-api-proxy --since -5min").stdout
    assert (
        "operon-loader/registry" in audit
        or machine.run("grep -r operon-loader/registry /var/lib/meso/api-proxy").stdout
    )
    assert meso(machine, "operon", "undo", "--yes")["identity"] == after["hash"]
    machine.run(
        "ln -sfn /usr/share/meso/factory /run/meso/current; systemctl reload meso-operon-loader"
    )
    reverted = meso(machine, "identity", "revert", "04-security")
    assert reverted["state"] == "deployed"
    assert meso(machine, "identity", "show")["hash"] == before["hash"]


def test_nobody_but_the_operator_changes_who_the_agent_is(machine: LabMachine) -> None:
    call = (
        "curl -s --unix-socket /run/meso/operon-loader.sock -X PUT http://m/v1/zooids/04-security "
        "-H content-type:application/json -d '{\"text\": null}'"
    )
    said = machine.run(
        f"setpriv --reuid=meso-mind-runner --regid=meso --clear-groups {call}"
    ).stdout
    assert json.loads(said)["error"]["code"] == "peer.not_operator"
