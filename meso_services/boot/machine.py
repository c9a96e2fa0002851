"""Where the facts about this machine lie. Tests lay the same tree out under another root."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# The six services, in the order in which the operator sees them.
SERVICES = (
    "session-manager",
    "memory-manager",
    "tool-executor",
    "operon-loader",
    "api-proxy",
    "mind-runner",
)
# Units beside the six that systemd starts on demand: no boot waits for them.
ON_DEMAND = ("embed", "mcp")
LOADER_GUID = "4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"


@dataclass(frozen=True, slots=True)
class Machine:
    """The appliance's files below `root` (`/` on the appliance itself)."""

    root: Path = Path("/")

    @property
    def records(self) -> Path:
        """Directory of the boot records."""
        return self.root / "var/lib/meso/boot"

    @property
    def panics(self) -> Path:
        """Where systemd-pstore files what a panicking kernel left behind."""
        return self.root / "var/lib/systemd/pstore"

    @property
    def sockets(self) -> Path:
        """Directory of the services' sockets, and of the link to the current generation."""
        return self.root / "run/meso"

    @property
    def factory(self) -> Path:
        """The generation that came with the image, made when its packages were locked."""
        return self.root / "usr/share/meso/factory"

    @property
    def initrd(self) -> Path:
        """What the initrd has to say: `degraded` (a reason), `fsck` (what was repaired)."""
        return self.root / "run/meso-initrd"

    @property
    def release(self) -> Path:
        """Name and version of the running image."""
        return self.root / "usr/lib/os-release"

    @property
    def command_line(self) -> Path:
        """The kernel's command line."""
        return self.root / "proc/cmdline"

    @property
    def boot_id(self) -> Path:
        """The kernel's name for this boot."""
        return self.root / "proc/sys/kernel/random/boot_id"

    @property
    def watchdogs(self) -> Path:
        """Hardware watchdogs, one directory each."""
        return self.root / "sys/class/watchdog"

    @property
    def entries(self) -> Path:
        """The boot loader's entries on the EFI system partition; only root may look."""
        return self.root / "boot/EFI/Linux"

    def loader_variable(self, name: str) -> Path:
        """An EFI variable of systemd-boot."""
        return self.root / "sys/firmware/efi/efivars" / f"{name}-{LOADER_GUID}"

    def socket(self, service: str) -> Path:
        """The socket of one of the services."""
        return self.sockets / f"{service}.sock"


def first_line(path: Path) -> str:
    """The first line of a small text file, or an empty string when it cannot be read."""
    try:
        return path.read_text(errors="replace").partition("\n")[0].strip()
    except OSError:
        return ""


def assignments(path: Path) -> dict[str, str]:
    """The KEY=value lines of a file such as os-release; empty when it cannot be read."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip().strip('"') for key, _, value in pairs}


def version(machine: Machine) -> str:
    """The version of the running image, or an empty string on another system."""
    facts = assignments(machine.release)
    return facts.get("IMAGE_VERSION", "") if facts.get("IMAGE_ID") == "meso" else ""
