"""Makes this device's key for secrets if it has none: `python3 -m meso_services.boot.device_key`.

The key is 32 random bytes. It rests encrypted by `systemd-creds`: under the TPM and the host's
key where there is a TPM, else under the host's key alone, which lies on the same disk. At each
boot it is put where systemd looks for encrypted credentials; only systemd decrypts it, for the
unit that imports it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from meso_services.runtime import durable, process
from meso_services.runtime.bounded import Command, run

NAME = "meso.secrets-key"
KEY_BYTES = 32
KEPT = Path("/var/lib/meso/device")
STORE = Path("/run/credstore.encrypted")
WORD = Path("/run/meso/device-key.json")


def ensure(kept: Path, store: Path, word: Path) -> str:
    """Make the key unless one is there that can be read, and offer it to systemd.

    Returns `tpm2` or `host`. Raises CommandError and OSError.
    """
    durable.make_directories(kept, mode=0o700)
    sealed = kept / f"{NAME}.cred"
    if not readable(sealed):
        if sealed.exists():
            # Another machine's, or another TPM's: what it opens may come back, so it stays.
            durable.move(sealed, sealed.with_suffix(".unreadable"))
        durable.write(sealed, encrypted(os.urandom(KEY_BYTES)), mode=0o600)
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    durable.write(store / NAME, sealed.read_bytes(), mode=0o600)
    bound = protection()
    word.write_text(json.dumps({"schema": 1, "protection": bound}) + "\n")
    word.chmod(0o644)
    return bound


def encrypted(key: bytes) -> bytes:
    """`key` as systemd keeps it. The key goes through pipes, never through arguments."""
    return _creds("encrypt", "--with-key=auto", f"--name={NAME}", "-", "-", given=key)


def readable(sealed: Path) -> bool:
    """True when this machine can decrypt it."""
    if not sealed.is_file():
        return False
    try:
        return len(_creds("decrypt", f"--name={NAME}", str(sealed), "-")) == KEY_BYTES
    except process.CommandError:
        return False


def protection() -> str:
    """What `--with-key=auto` binds to on this machine."""
    said = process.run(["systemd-creds", "has-tpm2", "--quiet"], check=False, timeout=60)
    return "tpm2" if said.status == 0 else "host"


def _creds(*arguments: str, given: bytes = b"") -> bytes:
    """Run systemd-creds on bytes."""
    argv = ["systemd-creds", *arguments]
    environment = {
        k: v for k, v in os.environ.items() if k in ("PATH", "SYSTEMD_CREDENTIAL_SECRET")
    }
    done = run(Command(argv, environment, given))
    if done.code:
        raise process.CommandError(argv, done.code, done.stderr.decode(errors="replace"))
    return done.stdout


def main() -> int:
    """The program."""
    bound = ensure(KEPT, STORE, WORD)
    sys.stdout.write(f"the device's key for secrets is in place, bound to: {bound}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
