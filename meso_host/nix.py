"""The host's Nix: how it is called, and where a locked file lies in its store.

A locked file is a flat fixed output: its path follows from its name and SHA-256 alone, so it is
computed here and not asked for.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from meso_host.errors import HostError
from meso_services.runtime.process import CommandError, run

# Substituters are off: everything that a build takes is locked and brought by ourselves. One more
# job than processors, so that a short step which others wait for need not wait for a long one.
CONFIG = f"""\
experimental-features = nix-command flakes
build-users-group =
substituters =
sandbox = true
max-jobs = {(os.cpu_count() or 1) + 1}
"""
_ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz"
_DIGEST = 20


def environment() -> dict[str, str]:
    """Variables to lay over this process's for every call of Nix."""
    return {"NIX_CONFIG": CONFIG + os.environ.get("NIX_CONFIG", "")}


def store_dir() -> str:
    """The store's directory, /nix/store unless NIX_STORE_DIR says otherwise."""
    return os.environ.get("NIX_STORE_DIR", "/nix/store")


def fixed_path(name: str, sha256: str) -> str:
    """The store path of a flat file `name` (a valid store name) with this SHA-256 in hex."""
    inner = hashlib.sha256(f"fixed:out:sha256:{sha256}:".encode()).hexdigest()
    outer = f"output:out:sha256:{inner}:{store_dir()}:{name}"
    digest = _fold(hashlib.sha256(outer.encode()).digest())
    return f"{store_dir()}/{_base32(digest)}-{name}"


def require() -> None:
    """Raise HostError nix.missing or nix.no-store unless Nix can be used."""
    if shutil.which("nix-store") is None:
        raise HostError(
            "nix.missing",
            "There is no nix on this computer.",
            remedy="Install Debian's package nix-bin (as root: apt-get install nix-bin).",
        )
    if not Path(store_dir()).is_dir() and os.geteuid() != 0:
        raise HostError(
            "nix.no-store",
            f"{store_dir()} does not exist, and only root can make it.",
            remedy="Run ./meso once as root, or install the package nix-setup-systemd.",
        )


def invalid(paths: Sequence[str]) -> set[str]:
    """Those of the paths that the store does not have. Raises HostError."""
    require()
    argv = ["nix-store", "--check-validity", "--print-invalid", *paths]
    return set(_nix(argv).split()) if paths else set()


def add_fixed(files: Sequence[Path]) -> list[str]:
    """Add files flat under their own names; the paths in the same order. Raises HostError."""
    return _nix(["nix-store", "--add-fixed", "sha256", *map(str, files)]).split()


def _nix(argv: Sequence[str]) -> str:
    try:
        return run(argv, env=environment()).stdout
    except CommandError as error:
        if "No space left" in error.output:
            raise disk_full(Path(store_dir())) from error
        raise HostError(
            "nix.failed",
            f"Nix failed:\n{error}",
            remedy="If it cannot write to /nix, run as root or join the group nix-users.",
        ) from error


def disk_full(path: Path, need: int | None = None) -> HostError:
    """The error for a file system without room; `need` is in bytes."""
    wanted = f" {need >> 20} MiB are needed," if need is not None else ""
    place = next(p for p in (path, *path.parents) if p.exists())
    free = shutil.disk_usage(place).free >> 20
    return HostError(
        "disk.full",
        f"The disk that holds {path} is full:{wanted} {free} MiB are free.",
        remedy="Make room there (nix-collect-garbage frees what no image uses) and try again.",
    )


def _fold(digest: bytes) -> bytes:
    """Nix shortens a hash to 20 bytes by XOR."""
    folded = bytearray(_DIGEST)
    for index, value in enumerate(digest):
        folded[index % _DIGEST] ^= value
    return bytes(folded)


def _base32(data: bytes) -> str:
    """Nix's base 32: five bits at a time from the last, in its own alphabet."""
    number = int.from_bytes(data, "little")
    count = (len(data) * 8 + 4) // 5
    return "".join(_ALPHABET[(number >> (5 * i)) & 31] for i in reversed(range(count)))
