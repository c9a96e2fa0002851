"""The life of memories as it is written down: lines that are only ever added.

`.life/INSTANCE/YYYY-MM-DD.jsonl` below the memory directory; each instance writes its own files,
so that two histories are joined by taking the lines of both. Uses are written by and by and may
lose the last second in a power cut; what the files themselves say is never only here.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from meso_services.memory_manager.life import Event
from meso_services.runtime import durable

PLACE = ".life"
INSTANCE = ".instance"
MOST_LINE = 64 * 1024


def new_event(time: float, memory: str, kind: str, **more: str) -> Event:
    """An event with an id of its own."""
    return Event(time, secrets.token_hex(8), memory, kind, **more)


class Journal:
    """The lines of all instances, and the files of this one to add to."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.instance = _instance(directory)

    def add(self, events: list[Event]) -> dict[str, tuple[int, int]]:
        """Append lines; `flush` makes them durable. Raises OSError.

        Returns where they begin and end in each file.
        """
        by_file: dict[Path, list[Event]] = {}
        for event in events:
            by_file.setdefault(self._file(event), []).append(event)
        places = {}
        for file, some in by_file.items():
            durable.make_directories(file.parent, below=self.directory)
            name = file.relative_to(self.directory).as_posix()
            places[name] = _append(file, b"".join(line(event) for event in some))
        return places

    def flush(self) -> None:
        """Make all lines of today durable. Raises OSError."""
        place = self.directory / PLACE / self.instance
        for file in sorted(place.glob("*.jsonl"))[-2:]:
            handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                os.fdatasync(handle)
            finally:
                os.close(handle)

    def files(self) -> dict[str, int]:
        """Every file of lines, relative to the directory, with its size."""
        place = self.directory / PLACE
        return {
            file.relative_to(self.directory).as_posix(): file.stat().st_size
            for file in sorted(place.glob("*/*.jsonl"))
            if file.is_file() and not file.is_symlink()
        }

    def read(self, name: str, start: int = 0) -> tuple[list[Event], int]:
        """The events of a file from an offset on, and where its last whole line ends."""
        with (self.directory / name).open("rb") as file:
            file.seek(start)
            raw = file.read()
        whole = raw[: raw.rfind(b"\n") + 1]
        return list(parse(whole)), start + len(whole)

    def _file(self, event: Event) -> Path:
        day = f"{datetime.fromtimestamp(event.time, UTC):%Y-%m-%d}"
        return self.directory / PLACE / self.instance / f"{day}.jsonl"


def line(event: Event) -> bytes:
    """An event as a line; what is empty is left out."""
    said = {key: value for key, value in asdict(event).items() if value != ""}
    return (json.dumps(said, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def parse(raw: bytes) -> Iterator[Event]:
    """The events of some lines; a line that is none is passed over."""
    for one in raw.splitlines():
        try:
            said: dict[str, Any] = json.loads(one)
            event = Event(**said)
            texts = (event.id, event.memory, event.kind, event.by, event.path, event.other,
                     event.about)  # fmt: skip
            if isinstance(event.time, (int, float)) and all(isinstance(t, str) for t in texts):
                yield event
        except (ValueError, TypeError):
            continue


def _append(file: Path, raw: bytes) -> tuple[int, int]:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(file, flags, 0o640)
    try:
        size = os.fstat(handle).st_size
        # A crash may have left half a line; the next one begins on its own.
        if size and os.pread(handle, 1, size - 1) != b"\n":
            raw = b"\n" + raw
        try:
            _write_all(handle, raw)
        except OSError:
            os.ftruncate(handle, size)
            raise
        return size, size + len(raw)
    finally:
        os.close(handle)


def _write_all(handle: int, raw: bytes) -> None:
    view = memoryview(raw)
    while view:
        view = view[os.write(handle, view) :]


def _instance(directory: Path) -> str:
    """The name of this instance, made at its first start. It stays out of git."""
    file = directory / INSTANCE
    try:
        name = file.read_text().strip()
    except FileNotFoundError:
        name = ""
    if not (name.isalnum() and name.isascii() and len(name) <= 64):
        name = secrets.token_hex(8)
        durable.write(file, f"{name}\n".encode())
    return name
