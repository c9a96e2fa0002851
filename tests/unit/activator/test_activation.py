"""What a boot finds under /run after the activator, and what `meso status` can read."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.unit.activator.conftest import Machine


def steps(account: dict[str, list[dict[str, object]]]) -> dict[str, dict[str, object]]:
    return {str(step["name"]): step for step in account["steps"]}


def test_generation_0_becomes_current(machine: Machine) -> None:
    """The link says what holds below the same root, and the account says why."""
    account = machine.activate()
    assert str((machine.run / "current").readlink()) == "/usr/share/meso/factory"
    assert account["state"] == "ok"
    assert account["generation"]["name"] == "reef"
    assert account["generation"]["counter"] == 0
    assert account["why"] == "generation 0 of the verified root"
    manifest = json.loads((machine.root / "usr/share/meso/factory/manifest.json").read_text())
    assert account["generation"]["identity"] == manifest["identity"]["hash"]


def test_host_files_are_in_force(machine: Machine) -> None:
    machine.flash('timezone = "Europe/Berlin"\n', '[services.mind_runner]\nmemory_max = "2G"\n')
    machine.activate()
    root = machine.root
    assert (machine.run / "hostname").read_text() == "reef\n"
    assert str((machine.run / "localtime").readlink()) == "/usr/share/zoneinfo/Europe/Berlin"
    network = root / "run/systemd/network/70-meso-wired.network"
    assert "DHCP=yes" in network.read_text()
    drop_in = root / "run/systemd/system/meso-mind-runner.service.d/50-meso-generation.conf"
    assert drop_in.read_text() == "[Service]\nMemoryMax=2147483648\n"
    assert stat.S_IMODE(network.stat().st_mode) == 0o644


def test_systemd_is_told_only_what_changed(machine: Machine) -> None:
    """The first boot loads the rules; a second run has nothing to say."""
    machine.activate()
    assert "systemctl reload nftables.service" in machine.calls()
    assert not any("daemon-reload" in call for call in machine.calls())
    account = machine.activate()
    assert machine.calls() == []
    assert not any(step["changed"] for step in account["steps"])


def test_moved_limits_reload_the_units(machine: Machine) -> None:
    machine.flash(users='[services.mind_runner]\nmemory_max = "2G"\n[journal]\nmax_size = "64M"\n')
    machine.activate()
    calls = machine.calls()
    assert "systemctl daemon-reload" in calls
    assert "systemctl --no-block restart systemd-journald" in calls


def test_what_the_next_generation_lacks_goes_away(machine: Machine) -> None:
    """No file of an earlier generation keeps acting; files of others stay."""
    machine.flash(
        users='[network.interfaces.lan]\nname = "enp1s0"\n'
        '[services.mind_runner]\nmemory_max = "2G"\n[journal]\nmax_size = "64M"\n'
    )
    machine.activate()
    foreign = machine.root / "run/systemd/network/10-foreign.network"
    foreign.touch()
    machine.flash()
    machine.activate()
    names = {path.name for path in foreign.parent.iterdir()}
    assert names == {"10-foreign.network", "70-meso-wired.network"}
    assert not list((machine.root / "run/systemd/system").rglob("*.conf"))
    assert not list((machine.root / "run/systemd/journald.conf.d").iterdir())


def test_a_running_network_is_reloaded(machine: Machine) -> None:
    machine.command("systemctl")
    state = machine.root / "run/systemd/netif/state"
    state.parent.mkdir(parents=True)
    state.write_text("OPER_STATE=routable\n")
    machine.activate()
    assert "networkctl reload" in machine.calls()


def test_without_a_manager_nothing_is_called(machine: Machine) -> None:
    machine.activate(manager=False)
    assert machine.calls() == []
    assert (machine.run / "nftables.conf").is_file()


def test_a_step_that_fails_does_not_stop_the_others(machine: Machine) -> None:
    """nftables does not load: said in the account and the journal, all else is done."""
    machine.command("systemctl", "echo Job for nftables.service failed. >&2; exit 1")
    account = machine.activate()
    firewall = steps(account)["firewall"]
    assert account["state"] == "degraded"
    assert firewall["ok"] is False
    assert "Job for nftables.service failed." in str(firewall["detail"])
    assert "<3>firewall: CommandError" in machine.log
    assert steps(account)["hostname"]["ok"] is True


def test_a_time_zone_the_image_lacks_leaves_utc(machine: Machine) -> None:
    machine.flash('timezone = "Asia/Tokyo"\n')
    account = machine.activate()
    assert "the zone stays UTC" in str(steps(account)["timezone"]["detail"])
    assert not (machine.run / "localtime").is_symlink()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda root: (root / "host/hostname").write_text("evil\n"), "host/hostname is altered"),
        (lambda root: (root / "host/nftables.conf").unlink(), "host/nftables.conf cannot be read"),
        (lambda root: (root / "manifest.json").write_text("{"), "manifest.json is not JSON"),
        (lambda root: (root / "manifest.json").write_text("[]"), "no JSON object"),
        (lambda root: (root / "manifest.json").write_text('{"schema": 2}'), "reads schema 1"),
        (lambda root: (root / "manifest.json").write_text('{"schema": 1}'), "lacks a key"),
        (lambda root: (root / "manifest.json").unlink(), "manifest.json cannot be read"),
    ],
)
def test_a_damaged_factory_is_used_and_reported(
    machine: Machine, damage: object, says: str
) -> None:
    """There is nothing behind it, so the boot goes on with what there is, and says so."""
    factory = machine.root / "usr/share/meso/factory"
    assert callable(damage)
    damage(factory)
    account = machine.activate()
    assert account["state"] == "degraded"
    assert says in account["damage"]
    assert str((machine.run / "current").readlink()) == "/usr/share/meso/factory"
    assert (machine.root / "run/systemd/network/70-meso-wired.network").is_file()


def test_no_generation_at_all_still_ends_well(machine: Machine, tmp_path: Path) -> None:
    (machine.root / "usr/share/meso/factory").rename(tmp_path / "gone")
    account = machine.activate()
    assert account["state"] == "degraded"
    assert "is damaged and used all the same" in machine.log


def test_a_read_only_run_does_not_fail_the_boot(machine: Machine) -> None:
    """Even when nothing can be written the exit status is 0 and the journal has the reason."""
    (machine.root / "run").write_text("in the way")
    with pytest.raises(NotADirectoryError):
        machine.activate()
    assert "<3>activation broke off: NotADirectoryError" in machine.log
