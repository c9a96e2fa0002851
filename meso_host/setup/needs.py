"""What a verb can need on this computer: one row each, with how it is found.

A row names the Debian packages that bring it. `found` looks, and changes
nothing; it takes well under a millisecond except where it says so.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from meso_host.setup import tree
from meso_services.runtime import process

OLDEST_NIX = (2, 8)
NIX_DAEMON = Path("/nix/var/nix/daemon-socket/socket")


@dataclass(frozen=True, slots=True)
class Need:
    """`why` completes the sentence "needed to ..."."""

    name: str
    why: str
    packages: tuple[str, ...]
    found: Callable[[], bool]


def _program(*names: str) -> Callable[[], bool]:
    # Debian keeps nft and others where an ordinary user's PATH does not look.
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    return lambda: all(shutil.which(name, path=path) for name in names)


def _qemu(system: str, *firmware: str) -> Callable[[], bool]:
    programs = _program(f"qemu-system-{system}", "qemu-img")
    return lambda: programs() and any(Path(file).is_file() for file in firmware)


def nix_version() -> tuple[int, int] | None:
    """The version of the nix on PATH; about 20 ms. None without one."""
    try:
        said = process.run(["nix", "--version"], timeout=30).stdout
    except process.CommandError:
        return None
    match = re.search(r"(\d+)\.(\d+)", said)
    return (int(match[1]), int(match[2])) if match else None


def _nix_usable() -> bool:
    version = nix_version()
    if version is None or version < OLDEST_NIX:
        return False
    return os.geteuid() == 0 or NIX_DAEMON.exists() or os.access("/nix/var/nix/db", os.W_OK)


def _venv_module() -> bool:
    importlib.invalidate_caches()
    return all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))


NEEDS: tuple[Need, ...] = (
    Need("venv", "keep Python packages apart from the system's", ("python3-venv",), _venv_module),
    Need(
        "nix",
        "build images (2.8 or newer)",
        # A user who is not root builds through the daemon, which the second package sets up.
        ("nix-bin",) if os.geteuid() == 0 else ("nix-bin", "nix-setup-systemd"),
        _nix_usable,
    ),
    Need(
        "qemu-x86_64",
        "run x86_64 machines",
        ("qemu-system-x86", "qemu-utils", "ovmf"),
        _qemu("x86_64", "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_CODE.fd"),
    ),
    Need(
        "qemu-aarch64",
        "run aarch64 machines",
        ("qemu-system-arm", "qemu-utils", "qemu-efi-aarch64"),
        _qemu("aarch64", "/usr/share/AAVMF/AAVMF_CODE.fd"),
    ),
    Need("ssh", "log in on a machine", ("openssh-client",), _program("ssh", "ssh-keygen")),
    Need("bubblewrap", "test the sandbox", ("bubblewrap",), _program("bwrap")),
    Need("nftables", "check firewall rules", ("nftables",), _program("nft")),
    Need(
        "e2fsprogs",
        "look into crash states",
        ("e2fsprogs",),
        _program("mkfs.ext4", "e2fsck", "debugfs"),
    ),
    Need("npm", "test with the real Pi", ("nodejs", "npm"), _program("node", "npm")),
    Need("git", "read the tree's history", ("git",), _program("git")),
)


def named(names: Iterable[str], words: Iterable[str] = ()) -> list[Need]:
    """The rows of a verb's needs. `qemu` stands for the processor of the appliance in `words`."""
    resolved = {_resolve(name, tuple(words)) for name in names}
    return [need for need in NEEDS if need.name in resolved]


def _resolve(name: str, words: tuple[str, ...]) -> str:
    if name != "qemu":
        return name
    systems = [system for word in words if (system := tree.system_of(word))]
    return f"qemu-{systems[0] if systems else 'x86_64'}"


def missing(needs: Iterable[Need]) -> list[Need]:
    """Those that this computer lacks."""
    return [need for need in needs if not need.found()]
