"""SSH keys: those of the generation, and in a virtual machine those of its host.

Whoever runs a virtual machine owns it anyway, so its systemd credentials are
taken. On hardware they are not: there, firmware tables are not the operator's.
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass, field
from pathlib import Path

from meso_services.runtime import process

USERS = ("operator", "root")
TYPES = ("ssh-ed25519", "sk-ssh-ed25519@openssh.com", "ssh-rsa")


@dataclass
class Keys:
    """User → authorized keys, and what was said about where they came from."""

    of: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    ok: bool = True

    def add(self, user: str, lines: str, source: str) -> None:
        """Take the usable keys of `lines` that the user does not have yet."""
        mine = self.of.setdefault(user, [])
        for line in map(str.strip, lines.splitlines()):
            if not line or line.startswith("#"):
                continue
            if not usable(line):
                self.ok = False
                self.notes.append(f"skipped an unusable key for {user} from {source}")
            elif line not in mine:
                mine.append(line)


def usable(line: str) -> bool:
    """Whether `line` is a public key of a type that sshd takes."""
    kind, _, rest = line.partition(" ")
    encoded = rest.split(" ", 1)[0]
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return False
    inner = len(kind).to_bytes(4, "big") + kind.encode("utf-8", "replace")
    return kind in TYPES and line.isprintable() and blob.startswith(inner)


def virtualization() -> str:
    """Name of the virtual machine's kind, such as `kvm` or `qemu`; `none` on hardware."""
    try:
        found = process.run(["systemd-detect-virt", "--vm"], check=False, timeout=10)
    except process.CommandError:
        return "none"
    return found.stdout.strip() or "none"


def collect(generation: Path, credentials: Path | None, machine: str) -> Keys:
    """Gather every user's keys. `machine` is what `virtualization` said."""
    keys = Keys()
    for user in USERS:
        place = generation / "host/ssh/authorized_keys" / user
        if place.is_file():
            keys.add(user, place.read_text(errors="replace"), "the generation")
    for user in USERS if credentials else ():
        name = f"meso.ssh.{user}"
        given = Path(credentials or "", name)
        if not given.is_file():
            continue
        if machine == "none":
            keys.notes.append(f"ignored the credential {name}: this is no virtual machine")
            continue
        keys.add(user, given.read_text(errors="replace"), f"the credential {name}")
        keys.notes.append(f"took the credential {name} of this virtual machine ({machine})")
    return keys


def credentials_directory() -> Path | None:
    """Where systemd put this unit's credentials, if it has any."""
    named = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(named) if named else None
