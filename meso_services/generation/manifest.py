"""A generation's manifest: what it is, what it holds, what it needs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meso_services.config.appliance import SCHEMA, Appliance
from meso_services.contract.identity_hash import Identity, part_hash

MANIFEST_SCHEMA = 1
IDENTITY_SCHEMA = 1


@dataclass(frozen=True)
class Label:
    """What is said of a generation from outside: name, number, seconds since 1970."""

    name: str
    counter: int
    epoch: int


def manifest(
    appliance: Appliance, identity: Identity, files: Mapping[str, bytes], label: Label
) -> dict[str, Any]:
    """The manifest as a JSON object.

    `files` is every other file of the generation by its path. `contents` gives
    each one's SHA-256, and `content_hash` one hash over these, in the form that
    `contract.identity_hash` documents for a part.
    """
    contents = {path: hashlib.sha256(data).hexdigest() for path, data in files.items()}
    return {
        "schema": MANIFEST_SCHEMA,
        "name": label.name,
        "counter": label.counter,
        "created": label.epoch,
        "identity": {
            "hash": identity.hash,
            "parts": {part: value.hash for part, value in identity.parts.items()},
        },
        "schemas": {"config": SCHEMA, "identity": IDENTITY_SCHEMA},
        "needs": {"base": appliance.base, "system": appliance.system},
        "contents": contents,
        "content_hash": part_hash(contents),
    }
