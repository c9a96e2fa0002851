"""The owner's signing keys: one ed25519 key a role and file, readable by the owner alone.

`ROLE.pem` is the key in use. A rotation keeps the old one as `ROLE.old-N.pem`, because
a new root must be signed by the old root key too. Keys may be locked by a passphrase.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer._crypto_signer import CryptoSigner

from meso_host.errors import HostError

ROLES = ("root", "targets", "snapshot", "timestamp")


class Keys:
    """The keys in a directory."""

    def __init__(self, directory: Path, passphrase: bytes | None = None) -> None:
        self._directory = directory
        self._passphrase = passphrase

    def create(self) -> None:
        """Make a key for each role. Raises HostError where there are keys already."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        taken = [role for role in ROLES if self._path(role).exists()]
        if taken:
            raise HostError(
                "registry.keys_exist",
                f"{self._directory} holds keys already ({', '.join(taken)}).",
                remedy="Give another --keys directory; keys are never overwritten.",
            )
        for role in ROLES:
            self._write(role, Ed25519PrivateKey.generate())

    def signer(self, role: str) -> CryptoSigner:
        """The signer of a role. Raises HostError."""
        return CryptoSigner(self._read(self._path(role)))

    def rotate(self, role: str) -> tuple[CryptoSigner, CryptoSigner]:
        """Put a new key in place of a role's: the old signer and the new one."""
        old = self.signer(role)
        number = 1 + len(list(self._directory.glob(f"{role}.old-*.pem")))
        self._path(role).rename(self._directory / f"{role}.old-{number}.pem")
        self._write(role, Ed25519PrivateKey.generate())
        return old, self.signer(role)

    def _path(self, role: str) -> Path:
        return self._directory / f"{role}.pem"

    def _write(self, role: str, key: Ed25519PrivateKey) -> None:
        lock: KeySerializationEncryption = NoEncryption()
        if self._passphrase:
            lock = BestAvailableEncryption(self._passphrase)
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(self._path(role), flags, 0o600), "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def _read(self, path: Path) -> Ed25519PrivateKey:
        try:
            key = load_pem_private_key(path.read_bytes(), self._passphrase)
        except FileNotFoundError:
            raise HostError(
                "registry.no_key",
                f"{path} is missing.",
                remedy="Give the --keys directory of this registry; `--new` makes another.",
            ) from None
        except (ValueError, TypeError) as error:
            raise HostError(
                "registry.bad_key",
                f"{path} cannot be opened: {error}",
                remedy="Is the passphrase right (--passphrase-file)?",
            ) from None
        if not isinstance(key, Ed25519PrivateKey):
            raise HostError(
                "registry.bad_key",
                f"{path} is no ed25519 key.",
                remedy="Give the --keys directory of this registry.",
            )
        return key
