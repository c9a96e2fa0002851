"""The steps of an activation. Each brings one of the generation's files into force."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from meso_services.activator import keys as ssh
from meso_services.activator.files import point, put, settle
from meso_services.activator.report import Report
from meso_services.runtime import process

DROP_IN = "50-meso-generation.conf"
NETWORK_FILES = "*-meso-*.network"
ZONES = "/usr/share/zoneinfo"


@dataclass(frozen=True)
class Place:
    """Where an activation works: `root` is `/` on an appliance.

    `managed` says that systemd runs below `root` and may be told to reload.
    """

    root: Path
    managed: bool

    @property
    def run(self) -> Path:
        """`/run/meso`."""
        return self.root / "run/meso"


def activate(place: Place, report: Report) -> None:
    """Do every step; one that fails does not keep the others from being done."""
    source = report.choice.generation.path
    _current(place, report)
    _hostname(place, report, source)
    _timezone(place, report, source)
    _network(place, report, source)
    _units(place, report, source)
    _journal(place, report, source)
    open_ssh = _ssh_keys(place, report, source)
    _firewall(place, report, source, open_ssh)


def _current(place: Place, report: Report) -> None:
    with report.step("current") as step:
        # The link is read below the same root, so it does not carry the root's prefix.
        target = report.choice.generation.path.relative_to(place.root)
        step.changed = point(place.run / "current", f"/{target}")
        step.detail = f"/run/meso/current -> /{target}"


def _hostname(place: Place, report: Report, source: Path) -> None:
    with report.step("hostname") as step:
        name = (source / "host/hostname").read_text().strip()
        # The unit hands it to the kernel: that takes a privilege, which this has not.
        step.changed = put(place.run / "hostname", f"{name}\n")
        step.detail = name


def _timezone(place: Place, report: Report, source: Path) -> None:
    with report.step("timezone") as step:
        name = (source / "host/timezone").read_text().strip()
        if not (place.root / ZONES.lstrip("/") / name).is_file():
            raise FileNotFoundError(f"{ZONES}/{name} is not in this image; the zone stays UTC")
        step.changed = point(place.run / "localtime", f"{ZONES}/{name}")
        step.detail = name


def _network(place: Place, report: Report, source: Path) -> None:
    with report.step("network") as step:
        target = place.root / "run/systemd/network"
        files = sorted((source / "host/network").glob("*.network"))
        wanted = {target / each.name: each.read_text() for each in files}
        step.changed = settle(wanted, list(target.glob(NETWORK_FILES)))
        step.detail = ", ".join(each.name for each in files) or "no interface"
        # At boot networkd has not run yet, and its state says so without a program.
        ran = (place.root / "run/systemd/netif/state").is_file()
        if step.changed and ran and _is_active(place, "systemd-networkd.service"):
            process.run(["networkctl", "reload"], timeout=30)


def _units(place: Place, report: Report, source: Path) -> None:
    with report.step("units") as step:
        target = place.root / "run/systemd/system"
        files = sorted((source / "units.d").glob("*.conf"))
        wanted = {target / f"{each.stem}.d" / DROP_IN: each.read_text() for each in files}
        step.changed = settle(wanted, list(target.glob(f"*.d/{DROP_IN}")))
        step.detail = ", ".join(each.stem for each in files) or "no limit is moved"
        if step.changed and place.managed:
            process.run(["systemctl", "daemon-reload"], timeout=60)


def _journal(place: Place, report: Report, source: Path) -> None:
    with report.step("journal") as step:
        file = source / "host/journald.conf"
        target = place.root / "run/systemd/journald.conf.d/50-meso.conf"
        wanted = {target: file.read_text()} if file.is_file() else {}
        step.changed = settle(wanted, [target] if target.is_file() else [])
        step.detail = "limits of the generation" if wanted else "limits of the image"
        if step.changed and place.managed:
            process.run(["systemctl", "--no-block", "restart", "systemd-journald"], timeout=30)


def _ssh_keys(place: Place, report: Report, source: Path) -> bool:
    """Install the authorized keys; True if there is any."""
    target = place.run / "ssh/authorized_keys"
    with report.step("ssh keys") as step:
        given = ssh.credentials_directory()
        machine = ssh.virtualization() if given else "none"
        found = ssh.collect(source, given, machine)
        files = {target / user: "".join(f"{k}\n" for k in own) for user, own in found.of.items()}
        # No empty file: sshd starts if there is any file at all.
        wanted = {path: text for path, text in files.items() if text}
        step.changed = settle(wanted, list(target.glob("[!.]*")))
        step.ok = found.ok
        counts = [f"{len(own)} for {user}" for user, own in found.of.items() if own]
        step.detail = "; ".join([", ".join(counts) or "none: sshd stays off", *found.notes])
    return any(target.glob("[!.]*"))


def _firewall(place: Place, report: Report, source: Path, open_ssh: bool) -> None:
    with report.step("firewall") as step:
        rules = (source / "host/nftables.conf").read_text()
        if open_ssh:
            rules += (source / "host/nftables-ssh.conf").read_text()
        step.changed = put(place.run / "nftables.conf", rules)
        step.detail = "ssh is open" if open_ssh else "ssh is closed"
        if step.changed and place.managed:
            process.run(["systemctl", "reload", "nftables.service"], timeout=60)


def _is_active(place: Place, unit: str) -> bool:
    if not place.managed:
        return False
    return process.run(["systemctl", "--quiet", "is-active", unit], check=False).status == 0
