"""A session of ours as its exporters see it: looked through once, then read entry by entry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from meso_services.transcripts import ours
from meso_services.transcripts.carried import FOREIGN
from meso_services.transcripts.lines import Record, parse, read


@dataclass(slots=True)
class Slot:
    """Where an entry is. `number` counts the entries; `parent` is an entry that stands before."""

    number: int
    id: str
    parent: str | None
    kind: str
    start: int
    length: int


@dataclass
class Kept:
    """A session's file: its header and its entries, of which only places are held."""

    file: BinaryIO
    header: Record
    slots: list[Slot] = field(default_factory=list)
    by_id: dict[str, Slot] = field(default_factory=dict)
    damaged: int = 0

    def record(self, slot: Slot) -> Record:
        """The entry's line."""
        self.file.seek(slot.start)
        return parse(self.file.read(slot.length)) or {}

    def back(self, ident: str | None) -> Iterator[Slot]:
        """The way from an entry to its root."""
        while ident is not None and (slot := self.by_id.get(ident)) is not None:
            yield slot
            ident = slot.parent

    @property
    def imported(self) -> Record:
        """What the header says of where the session comes from."""
        own = self.header.get(ours.OWN)
        found = own.get("imported") if isinstance(own, dict) else None
        return found if isinstance(found, dict) else {}


def look(file: BinaryIO, size: int) -> Kept:
    """Read the session's file up to `size` bytes, which are whole lines."""
    found = Kept(file, {})
    for raw in read(file):
        if raw.start >= size:
            break
        record = parse(raw.text)
        if raw.number == 1:
            found.header = record or {}
        elif record is None or not _entry(record) or record["id"] in found.by_id:
            found.damaged += bool(raw.text.strip())
        else:
            parent = record.get("parentId")
            known = isinstance(parent, str) and parent in found.by_id
            slot = Slot(len(found.slots), record["id"], parent if known else None,
                        record["type"], raw.start, len(raw.text))  # fmt: skip
            found.slots.append(slot)
            found.by_id[slot.id] = slot
    return found


def _entry(record: Record) -> bool:
    strings = (record.get("type"), record.get("timestamp", ""))
    return (
        ours.good_id(record.get("id"))
        and all(ours.good_text(one) for one in strings)
        and record["type"] != "session"
    )


def without_foreign(record: Record) -> Record:
    """An entry without what it carries."""
    return {name: value for name, value in record.items() if name != FOREIGN}
