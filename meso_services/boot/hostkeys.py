"""Makes this machine's SSH host key if it has none: `python3 -m meso_services.boot.hostkeys`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from meso_services.runtime import process

DIRECTORY = Path("/var/lib/ssh")
NAME = "ssh_host_ed25519_key"


def ensure(directory: Path) -> bool:
    """Make the key unless a usable one is there; True when it was made.

    It is made aside, flushed and moved into place, so that a power cut leaves no
    key or a whole one. Raises CommandError and OSError.
    """
    key = directory / NAME
    if usable(key):
        return False
    new = directory / f".{NAME}.new"
    new.unlink(missing_ok=True)
    process.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", new], timeout=60)
    _flush(new)
    _flush(Path(f"{new}.pub"))
    Path(f"{new}.pub").replace(f"{key}.pub")
    new.replace(key)
    _flush(directory)
    return True


def usable(key: Path) -> bool:
    """True when ssh-keygen can read the private key."""
    if not key.is_file():
        return False
    return (
        process.run(["ssh-keygen", "-y", "-P", "", "-f", key], check=False, timeout=60).status == 0
    )


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def main() -> int:
    """The program."""
    made = ensure(DIRECTORY)
    sys.stdout.write("a new SSH host key was made\n" if made else "the SSH host key is in place\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
