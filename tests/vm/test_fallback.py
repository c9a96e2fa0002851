"""A restart keeps what is to be kept; a new version whose services do not come up is given up
for the one that worked. Together, because each boot takes a minute or more.
"""

from __future__ import annotations

import json
import shlex

import pytest

from meso_host.vm.lab import LabMachine
from meso_services.runtime import process

NEW = "meso_9.9.9"
# Copies the running entry as a newer one with one try left, and changes its kernel's command
# line in place, at equal length: one service is masked, and the health check waits less long.
COPY = """
import glob, re
(old,) = glob.glob("/boot/EFI/Linux/meso_*.efi")
data = bytearray(open(old, "rb").read())
at = data.index(b"roothash=")
end = min(data.index(bytes([stop]), at) for stop in (0, 10))
line = data[at:end]
SPARED = (b"console=tty0", b"loglevel", b"panic", b"systemd.")
kept = [w for w in line.split() if not w.startswith(SPARED)]
more = [b"systemd.mask=meso-api-proxy.service", b"meso.health_seconds=5"]
new = b" ".join(kept + more)
assert len(new) <= len(line), (line, new)
data[at:end] = new.ljust(len(line))
with open("/boot/EFI/Linux/NEW+1.efi", "wb") as file:
    file.write(data)
""".replace("NEW", NEW)


@pytest.mark.destructive
def test_a_restart_keeps_state_and_an_unhealthy_new_version_is_left(workshop: LabMachine) -> None:
    before = workshop.run("cat /etc/machine-id").stdout
    workshop.run("touch /meso/scratchpad/gone /meso/workspaces/kept && mkdir /meso/scratchpad/d")
    assert workshop.run("ls /meso/scratchpad").stdout.split() == ["d", "gone"]
    workshop.run(f"python3 -I -c {shlex.quote(COPY)} && sync", check=True)
    with workshop.restarting(lambda found: found["last_boot"]["outcome"] == "fallback"):
        said = workshop.run("meso reboot --yes --json", user="operator", check=True)
        assert json.loads(said.stdout)["accepted"]
    assert workshop.run("ls -A /meso/scratchpad").stdout == ""
    assert workshop.root.file("/meso/workspaces/kept").exists
    assert workshop.run("cat /etc/machine-id").stdout == before
    history = workshop.run("tail -n 2 /var/lib/meso/boot/history.jsonl", check=True).stdout
    asked_for, _trial = [json.loads(line) for line in history.splitlines()]
    assert asked_for["end"]["outcome"] == "clean"
    # The loader counted down before the try, and did not count up: the slot is spent.
    assert f"{NEW}+0-1.efi" in workshop.run("ls /boot/EFI/Linux").stdout
    assert f"restarting: {NEW} is on trial" in workshop.console()
    found = json.loads(workshop.run("meso status --json", user="operator").stdout)
    assert found["healthy"]
    assert "api-proxy" in found["last_boot"]["reason"]
    assert f"{NEW} used up its tries" in found["last_boot"]["reason"]
    (said,) = [each for each in found["warnings"] if "fell back" in each]
    *ssh, name = workshop.guest.ssh_command("operator")
    login = process.run([*ssh, "-tt", name], given="exit\n", check=False, timeout=90)
    assert "fell back" in login.stdout
    assert "api-proxy" in said
    workshop.run(f"rm /boot/EFI/Linux/{NEW}*", check=True)
