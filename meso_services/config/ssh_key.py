"""Public SSH keys, read the way sshd reads them, before an image depends on one.

A key that sshd would skip silently locks the operator out, so its parts are
taken apart here: type, base64, and the fields inside.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

# As the image's sshd_config: what sshd would refuse is refused here.
RSA_BITS = 3072
TYPES = ("ssh-ed25519", "sk-ssh-ed25519@openssh.com", "ssh-rsa")
_ALLOWED = "one line of a .pub file: TYPE BASE64 [COMMENT], TYPE one of " + ", ".join(TYPES)
_PRIVATE = re.compile(r"PRIVATE KEY|b3BlbnNzaC1rZXktdjE|PuTTY-User-Key-File", re.IGNORECASE)
PRIVATE_KEY_ALARM = (
    "THIS IS A PRIVATE KEY. Take it out of this file now. If the file was committed or "
    "shared, the key is no longer secret: make a new one. Here belongs the public key, "
    "the content of the file that ends in .pub"
)


def check_ssh_key(line: str) -> str:
    """Validate one authorized key and return it with single spaces.

    Raises PydanticCustomError, of type `private_key` when it is a private key.
    """
    if _PRIVATE.search(line):
        raise PydanticCustomError("private_key", PRIVATE_KEY_ALARM, {"allowed": _ALLOWED})
    if not line.isprintable():
        raise _refused("holds a line break or a control character")
    kind, _, rest = line.strip().partition(" ")
    encoded, _, comment = rest.strip().partition(" ")
    if kind == "ssh-dss" or kind.startswith("ecdsa-"):
        raise _refused(f"has the type {kind}, which the appliance's sshd does not take")
    if kind not in TYPES:
        raise _refused("does not start with a known key type")
    _check_blob(kind, _decode(encoded))
    return " ".join(filter(None, (kind, encoded, comment.strip())))


def _refused(problem: str) -> PydanticCustomError:
    return PydanticCustomError("ssh_key", "{problem}", {"problem": problem, "allowed": _ALLOWED})


def _decode(encoded: str) -> bytes:
    if not encoded:
        raise _refused("has a type but no key after it")
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise _refused("has a second part that is not base64; it may be cut off") from None


def _fields(blob: bytes) -> list[bytes]:
    fields: list[bytes] = []
    while blob:
        if len(blob) < 4 or len(blob) - 4 < (length := struct.unpack(">I", blob[:4])[0]):
            raise _refused("is cut off")
        fields.append(blob[4 : 4 + length])
        blob = blob[4 + length :]
    return fields


def _check_blob(kind: str, blob: bytes) -> None:
    fields = _fields(blob)
    inner = fields[0].decode("ascii", "replace") if fields else ""
    if inner != kind:
        raise _refused(f"says it is {kind}, but the key inside says {inner or 'nothing'!r}")
    if kind == "ssh-rsa":
        _check_rsa(fields)
    else:
        _check_ed25519(fields, 3 if kind.startswith("sk-") else 2)


def _check_ed25519(fields: list[bytes], count: int) -> None:
    if len(fields) != count or len(fields[1]) != 32:
        raise _refused("does not have the length of its type; it may be cut off")


def _check_rsa(fields: list[bytes]) -> None:
    if len(fields) != 3:
        raise _refused("does not have the parts of an RSA key; it may be cut off")
    bits = int.from_bytes(fields[2], "big").bit_length()
    if bits < RSA_BITS:
        raise _refused(f"is an RSA key of {bits} bits, which is weak; {RSA_BITS} are the least")


_PATTERN = "^(" + "|".join(map(re.escape, TYPES)) + r") +[A-Za-z0-9+/]+=* *.*$"
SshKey = Annotated[
    str, AfterValidator(check_ssh_key), WithJsonSchema({"type": "string", "pattern": _PATTERN})
]
