"""One document, encrypted under one key: AES-256-GCM with a fresh nonce for each writing."""

from __future__ import annotations

import os
from pathlib import Path

from meso_services.runtime.errors import MesoError

KEY_NAME = "meso.secrets-key"
KEY_BYTES = 32
NONCE_BYTES = 12
# Says which form follows, and is covered by the seal.
HEADER = b"meso-secrets-1\n"


def device_key() -> bytes | None:
    """The key that systemd passed to this unit; None if there is none."""
    place = os.environ.get("CREDENTIALS_DIRECTORY", "")
    try:
        key = (Path(place) / KEY_NAME).read_bytes() if place else b""
    except OSError:
        key = b""
    return key if len(key) == KEY_BYTES else None


def seal(key: bytes, plain: bytes) -> bytes:
    """Encrypt."""
    # Imported here: a proxy without secrets does without its memory.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    nonce = os.urandom(NONCE_BYTES)
    return HEADER + nonce + AESGCM(key).encrypt(nonce, plain, HEADER)


def unseal(key: bytes, sealed: bytes) -> bytes:
    """Decrypt. Raises `secrets.unreadable` for another key, another form or a changed byte."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    body = sealed.removeprefix(HEADER)
    if len(body) == len(sealed) or len(body) < NONCE_BYTES:
        raise _unreadable("it is not a file of secrets")
    try:
        return AESGCM(key).decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], HEADER)
    except InvalidTag:
        raise _unreadable("it was written under another key, or changed") from None


def _unreadable(why: str) -> MesoError:
    return MesoError(
        "secrets.unreadable",
        f"the secrets cannot be read: {why}",
        status=503,
        hint="on this device set them anew: `meso secret set NAME`; the old file is kept aside",
    )
