"""The directory of one virtual machine, and what lies in it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from meso_host.errors import HostError

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of the machine's last start.

    `image` is the directory it was made from, `console_start` the byte of the
    console's log at which this start begins, `accelerator` QEMU's word for it.
    """

    arch: str
    image: str
    port: int
    pid: int
    console_start: int = 0
    accelerator: str = ""
    schema: int = SCHEMA


@dataclass(frozen=True, slots=True)
class Files:
    """Paths in `directory`. QEMU works in there, so that its own names for them are short."""

    directory: Path

    @property
    def name(self) -> str:
        """The machine's name."""
        return self.directory.name

    @property
    def disk(self) -> Path:
        """The overlay that holds everything written since the machine was made."""
        return self.directory / "disk.qcow2"

    @property
    def variables(self) -> Path:
        """The firmware's variables."""
        return self.directory / "vars.fd"

    @property
    def key(self) -> Path:
        """The private key that logs in; `key.pub` lies beside it."""
        return self.directory / "key"

    @property
    def known_hosts(self) -> Path:
        """The machine's own host keys, as seen at its first login."""
        return self.directory / "known_hosts"

    @property
    def ssh_config(self) -> Path:
        """How ssh reaches it: `ssh -F ssh_config vm`."""
        return self.directory / "ssh_config"

    @property
    def console(self) -> Path:
        """Everything that the serial console printed."""
        return self.directory / "console.log"

    @property
    def qemu_log(self) -> Path:
        """What QEMU itself had to say."""
        return self.directory / "qemu.log"

    @property
    def image_link(self) -> Path:
        """Keeps the image from Nix's garbage collection while the overlay needs it."""
        return self.directory / "image"

    def save(self, record: Record) -> None:
        """Write the record; whole or not at all."""
        half = self.directory / "vm.json.new"
        half.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
        half.replace(self.directory / "vm.json")

    def record(self) -> Record | None:
        """The record, None when the machine was never started. Raises HostError."""
        try:
            read: dict[str, Any] = json.loads((self.directory / "vm.json").read_text("utf-8"))
            if read["schema"] == SCHEMA:
                return Record(**read)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError):
            pass
        raise HostError(
            "vm.record",
            f"{self.directory / 'vm.json'} cannot be read.",
            remedy="`meso vm NAME --fresh` makes the machine again, without its state.",
        )

    def running(self) -> int | None:
        """The process id of this machine's QEMU, None when it does not run."""
        record = self.record()
        if record is None:
            return None
        try:
            # The id may have been given to another program since; its directory tells.
            at = Path(f"/proc/{record.pid}/cwd").readlink()
        except OSError:
            return None
        return record.pid if at == self.directory.resolve() else None
