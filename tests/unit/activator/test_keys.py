"""Who can log in after the activator ran."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.activator.conftest import OPERATOR_KEY, OTHER_KEY, Machine

WITH_KEY = f'[users.operator]\nssh_keys = ["{OPERATOR_KEY}"]\n'


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "meso.ssh.root").write_text(f"# from the host\n{OTHER_KEY}\n")
    return folder


def authorized(machine: Machine) -> dict[str, str]:
    folder = machine.run / "ssh/authorized_keys"
    return {path.name: path.read_text() for path in folder.iterdir()} if folder.is_dir() else {}


def test_without_a_key_ssh_stays_closed(machine: Machine) -> None:
    """No file, which is what starts sshd, and no rule that lets SSH in."""
    machine.activate()
    assert authorized(machine) == {}
    assert "dport 22" not in (machine.run / "nftables.conf").read_text()


def test_the_generation_s_key_opens_ssh(machine: Machine) -> None:
    machine.flash(users=WITH_KEY)
    machine.activate()
    assert authorized(machine) == {"operator": f"{OPERATOR_KEY}\n"}
    assert "tcp dport 22 ct state new jump ssh" in (machine.run / "nftables.conf").read_text()


def test_a_virtual_machine_takes_its_host_s_key(machine: Machine, credentials: Path) -> None:
    machine.flash(users=WITH_KEY)
    machine.activate(credentials=credentials)
    assert authorized(machine) == {"operator": f"{OPERATOR_KEY}\n", "root": f"{OTHER_KEY}\n"}
    assert "took the credential meso.ssh.root of this virtual machine (kvm)" in machine.log


def test_hardware_does_not(machine: Machine, credentials: Path) -> None:
    machine.command("systemd-detect-virt", "echo none; exit 1")
    machine.activate(credentials=credentials)
    assert authorized(machine) == {}
    assert "ignored the credential meso.ssh.root: this is no virtual machine" in machine.log


def test_one_key_from_two_places_is_written_once(machine: Machine, credentials: Path) -> None:
    (credentials / "meso.ssh.operator").write_text(OPERATOR_KEY)
    machine.flash(users=WITH_KEY)
    machine.activate(credentials=credentials)
    assert authorized(machine)["operator"] == f"{OPERATOR_KEY}\n"


@pytest.mark.parametrize(
    "line",
    [
        "ssh-rsa",
        "hello",
        'command="sh" ' + OTHER_KEY,
        "ssh-dss AAAAB3NzaC1kc3M=",
        "ssh-ed25519 not-base64",
        OTHER_KEY.replace("ssh-ed25519", "ssh-rsa"),
    ],
)
def test_an_unusable_key_is_skipped_and_reported(
    machine: Machine, credentials: Path, line: str
) -> None:
    """The usable ones beside it still work."""
    (credentials / "meso.ssh.operator").write_text(f"{line}\n{OPERATOR_KEY}\n")
    account = machine.activate(credentials=credentials)
    assert authorized(machine)["operator"] == f"{OPERATOR_KEY}\n"
    assert account["state"] == "degraded"
    assert "skipped an unusable key for operator from the credential" in machine.log


def test_a_key_taken_away_is_gone_after_the_next_activation(machine: Machine) -> None:
    machine.flash(users=WITH_KEY)
    machine.activate()
    machine.flash()
    machine.activate()
    assert authorized(machine) == {}
    assert "dport 22" not in (machine.run / "nftables.conf").read_text()
