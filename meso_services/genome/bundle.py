"""An operon as one file, as a registry serves it: canonical JSON, names checked, bounded.

    {"files": {"OPERON.md": "…text…", "tests.yaml": "…"}, "schema": 1}

Files are text. A JSON document has no links, devices, modes or paths that lead out
of it, so unpacking has nothing to refuse but names and sizes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meso_services.contract.identity_hash import IdentityError, read_part
from meso_services.files.strict_yaml import DocumentError
from meso_services.genome.load import parse_operon, read_bytes
from meso_services.genome.models import Operon

SCHEMA = 1
MAX_BYTES = 4 << 20
MAX_FILES = 200
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}){0,4}")


def read_folder(folder: Path) -> dict[str, bytes]:
    """Every file of an operon's folder by its path. Raises DocumentError or OSError.

    Links, special files and names outside of letters, digits, `_`, `.`, `-` are refused.
    """
    try:
        names = sorted(read_part(folder).files)
    except IdentityError as error:
        raise DocumentError(str(folder), "", str(error)) from None
    _check_names(names, str(folder))
    files = {name: read_bytes(folder / name) for name in names}
    if sum(map(len, files.values())) > MAX_BYTES:
        raise DocumentError(str(folder), "", f"is larger than {MAX_BYTES} bytes")
    return files


def pack(files: Mapping[str, bytes], where: str) -> bytes:
    """One file out of many; the same files always give the same bytes. Raises DocumentError."""
    _check_names(list(files), where)
    texts = {name: _text(raw, f"{where}/{name}") for name, raw in files.items()}
    document = {"files": texts, "schema": SCHEMA}
    return json.dumps(document, sort_keys=True, ensure_ascii=False, indent=1).encode() + b"\n"


def unpack(raw: bytes, where: str) -> dict[str, bytes]:
    """The files by name. Raises DocumentError for anything that `pack` would not have made."""
    if len(raw) > 2 * MAX_BYTES:
        raise DocumentError(where, "", f"is larger than {2 * MAX_BYTES} bytes")
    try:
        document: Any = json.loads(raw)
        texts = document["files"]
        if document["schema"] != SCHEMA or not isinstance(texts, dict) or len(document) != 2:
            raise ValueError("another schema")
        files = {name: text.encode() for name, text in texts.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DocumentError(where, "", f"is no operon in one file: {error}") from None
    _check_names(list(files), where)
    return files


def operon(name: str, files: Mapping[str, bytes], where: str) -> Operon:
    """The operon in these files. Raises DocumentError."""
    return parse_operon(name, files, where)


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """SHA-256 of each file, as the identity hash counts them."""
    return {name: hashlib.sha256(raw).hexdigest() for name, raw in sorted(files.items())}


def _check_names(names: list[str], where: str) -> None:
    if len(names) > MAX_FILES:
        raise DocumentError(where, "", f"has more than {MAX_FILES} files")
    for name in names:
        if not _NAME.fullmatch(name):
            raise DocumentError(where, "", f"the file name {name!r} is not accepted")
        if any(other.startswith(f"{name}/") for other in names):
            raise DocumentError(where, "", f"{name!r} is a file and a directory")


def _text(raw: bytes, where: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise DocumentError(where, "", f"is not UTF-8 at byte {error.start}") from None
