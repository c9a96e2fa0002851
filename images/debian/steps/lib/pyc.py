"""Compile Python sources for a read-only root, the same bytes every time."""

from __future__ import annotations

import importlib.util
import marshal
import sys
from multiprocessing import get_context

from lib.tar import Entry, file

_TAG = sys.implementation.cache_tag
_CHUNKS = 4


def _cache_path(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/__pycache__/{name.removesuffix('.py')}.{_TAG}.pyc"


def _compile(entry: tuple[str, bytes]) -> tuple[str, bytes] | None:
    path, source = entry
    try:
        code = compile(source, f"/{path}", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return None  # templates and examples that were never meant to be imported
    # Unchecked hash: the interpreter neither compares time stamps nor reads the source.
    head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little")
    return _cache_path(path), head + importlib.util.source_hash(source) + marshal.dumps(code)


def _chunk(entries: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [done for one in entries if (done := _compile(one))]


def compiled(entries: dict[str, Entry], workers: int) -> dict[str, Entry]:
    """The .pyc file of every .py file among `entries`.

    marshal's output depends on what its process compiled before, so the work is cut into fixed
    chunks and each chunk has a process of its own; how many run at once does not matter.
    """
    sources = sorted(
        (path, bytes(entry.data))
        for path, entry in entries.items()
        if entry.kind == "file" and path.endswith(".py")
    )
    chunks = [sources[start::_CHUNKS] for start in range(_CHUNKS)]
    with get_context("fork").Pool(workers, maxtasksperchild=1) as pool:
        parts = pool.map(_chunk, chunks, chunksize=1)
    return {path: file(path, data) for part in parts for path, data in part}
