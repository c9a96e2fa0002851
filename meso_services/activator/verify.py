"""Is a generation whole? Every file of the manifest is there and unaltered."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MANIFEST_SCHEMA = 1
LARGEST_MANIFEST = 16 << 20


class DamagedError(Exception):
    """A generation that is not what its manifest says. The message names the file."""


@dataclass(frozen=True)
class Generation:
    """A generation that was found whole."""

    path: Path
    name: str
    counter: int
    identity: str


def verify(path: Path) -> Generation:
    """Read the manifest of the generation at `path` and check all contents.

    Raises DamagedError.
    """
    manifest = _manifest(path)
    try:
        contents = dict(manifest["contents"])
        generation = Generation(
            path, str(manifest["name"]), int(manifest["counter"]), str(manifest["identity"]["hash"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"manifest.json lacks a key or misstates it: {error}") from None
    for name, digest in contents.items():
        _check_file(path, str(name), str(digest))
    return generation


def _manifest(path: Path) -> dict[str, Any]:
    try:
        with (path / "manifest.json").open("rb") as file:
            manifest = json.loads(file.read(LARGEST_MANIFEST))
    except OSError as error:
        raise DamagedError(f"manifest.json cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise DamagedError("manifest.json is not JSON") from None
    if not isinstance(manifest, dict):
        raise DamagedError("manifest.json is no JSON object")
    if manifest.get("schema") != MANIFEST_SCHEMA:
        found = manifest.get("schema")
        raise DamagedError(f"manifest.json has schema {found!r}; this system reads schema 1")
    return manifest


def _check_file(root: Path, name: str, digest: str) -> None:
    parts = Path(name).parts
    if name.startswith("/") or ".." in parts:
        raise DamagedError(f"manifest.json names {name!r}, which lies outside the generation")
    try:
        content = (root / name).read_bytes()
    except OSError as error:
        raise DamagedError(f"{name} cannot be read: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise DamagedError(f"{name} is altered")
