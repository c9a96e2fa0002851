"""Two histories of memories become one, entry by entry; whoever merges gets the same.

A memory is known by its id, wherever its file lies. Against the last common version: what one side
changed counts; where both changed, tags and sources are united, and of two texts the one with the
larger hash stays while the other is kept beside it, as a memory of its own. An edit is stronger
than a deletion or a forgetting. Nothing depends on who asks, or when.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from meso_services.files import front_matter
from meso_services.files.strict_yaml import DocumentError
from meso_services.memory_manager.files import ARCHIVE, Entry, entry_of
from meso_services.memory_manager.journal import PLACE as LIVES
from meso_services.memory_manager.journal import line, parse

Tree = Mapping[str, bytes]


@dataclass
class Merged:
    """The files of the merge, and ids where both texts were kept."""

    files: dict[str, bytes] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)


def merge(base: Tree, ours: Tree, theirs: Tree, purged: frozenset[str] = frozenset()) -> Merged:
    """Merge two sets of files by path against their common ancestor's.

    `purged` are the ids that may not come back. Every file is a memory, a file of lives, or
    something that cannot be read as either, which is merged by its path.
    """
    merged = Merged()
    before, one, other = _by_id(base), _by_id(ours), _by_id(theirs)
    for name in sorted(one.keys() | other.keys()):
        if name not in purged:
            _entry(name, before.get(name), one.get(name), other.get(name), merged)
    paths = {path for tree in (ours, theirs) for path in tree if not path.endswith(".md")}
    for path in sorted(paths):
        raw = _lines(ours.get(path), theirs.get(path)) if path.startswith(f"{LIVES}/") else _raw(
            base.get(path), ours.get(path), theirs.get(path)
        )  # fmt: skip
        if raw is not None:
            merged.files[path] = raw
    return merged


def _entry(
    name: str, base: Entry | None, ours: Entry | None, theirs: Entry | None, merged: Merged
) -> None:
    if ours is None or theirs is None:
        there = ours or theirs
        # Gone on one side: it stays only if the other side changed it since.
        if there is not None and (base is None or _said(there) != _said(base)):
            _put(merged, there.path, there.raw)
        return
    if _equal(ours, theirs) or (base and _equal(base, theirs)):
        _put(merged, ours.path, ours.raw)
        return
    if base and _equal(base, ours):
        _put(merged, theirs.path, theirs.raw)
        return
    content, lost = _content(base, ours, theirs)
    head = _head(base, ours, theirs)
    path = _path(base, ours, theirs)
    chosen = next(
        (e.raw for e in sorted((ours, theirs), key=lambda e: e.sha256)
         if e.content == content and _plain(e.head) == _plain(head)),
        None,
    )  # fmt: skip
    _put(merged, path, chosen or front_matter.join({"id": name, **head}, content.strip("\n")))
    if lost is not None:
        merged.conflicts.append(name)
        _beside(name, lost, merged)


def _content(base: Entry | None, ours: Entry, theirs: Entry) -> tuple[str, Entry | None]:
    """The text that stays, and the memory whose text is kept beside it."""
    same = ours.content.strip() == theirs.content.strip()
    if same or (base and theirs.content == base.content):
        return (max(ours.content, theirs.content) if same else ours.content), None
    if base and ours.content == base.content:
        return theirs.content, None
    lost, kept = sorted((ours, theirs), key=lambda e: _digest(e.content.encode()))
    return kept.content, lost


def _beside(name: str, lost: Entry, merged: Merged) -> None:
    digest = _digest(lost.content.encode())[:8]
    beside = f"{name[:55].rstrip('-')}-{digest}"
    head = {**lost.head, "id": beside, "conflict_with": name}
    path = f"{lost.path.removeprefix(ARCHIVE).removesuffix('.md')}-{digest}.md"
    _put(merged, path, front_matter.join(head, lost.content.strip("\n")))


def _head(base: Entry | None, ours: Entry, theirs: Entry) -> dict[str, Any]:
    """Front matter, key by key; of two new values the one that sorts last."""
    old: Mapping[str, Any] = base.head if base else {}
    found: dict[str, Any] = {}
    for key in sorted(ours.head.keys() | theirs.head.keys(), key=_order):
        a, b, was = ours.head.get(key), theirs.head.get(key), old.get(key)
        if key in ("tags", "also"):
            value: Any = _united(was, a, b)
        elif b in (a, was):
            value = a
        elif a == was:
            value = b
        else:
            value = max((a, b), key=lambda v: (v is not None, repr(v)))
        if value is not None:
            found[key] = value
    return found


def _united(was: Any, a: Any, b: Any) -> Any:
    """A list with what either side added, without what either side removed."""
    lists = [value if isinstance(value, list) else [] for value in (was, a, b)]
    old, one, other = ([(repr(v), v) for v in some] for some in lists)
    removed = {k for k, _ in old} - ({k for k, _ in one} & {k for k, _ in other})
    union = dict(sorted([*one, *other], key=lambda pair: pair[0]))
    kept = [value for key, value in union.items() if key not in removed]
    if lists[1] == lists[2]:
        return lists[1] if a is not None or b is not None else None
    return kept if a is not None or b is not None else None


def _path(base: Entry | None, ours: Entry, theirs: Entry) -> str:
    """Who moved it last decides; if both did, an edit keeps it in use, and then the name."""
    if ours.path == theirs.path:
        return ours.path
    if base and theirs.path == base.path:
        return _not_hidden_by_half(base, ours, theirs, ours.path)
    if base and ours.path == base.path:
        return _not_hidden_by_half(base, theirs, ours, theirs.path)
    living = [e.path for e in (ours, theirs) if not e.archived]
    return max(living or [ours.path, theirs.path])


def _not_hidden_by_half(base: Entry | None, mover: Entry, editor: Entry, path: str) -> str:
    """Forgotten here and edited there: somebody cares for it."""
    if base and mover.archived and not base.archived and editor.content != base.content:
        return path.removeprefix(ARCHIVE)
    return path


def _put(merged: Merged, path: str, raw: bytes) -> None:
    """Two memories may want one path; both stay."""
    if merged.files.get(path, raw) != raw:
        first = merged.files[path]
        low, high = sorted((first, raw), key=_digest)
        merged.files[path] = high
        _put(merged, f"{path.removesuffix('.md')}-{_digest(low)[:8]}.md", low)
    else:
        merged.files[path] = raw


def _lines(ours: bytes | None, theirs: bytes | None) -> bytes | None:
    """The events of both, each once, in their order."""
    if ours is None or theirs is None or ours == theirs:
        return ours if ours is not None else theirs
    events = {event.id: event for raw in (ours, theirs) for event in parse(raw)}
    return b"".join(line(event) for event in sorted(events.values()))


def _raw(base: bytes | None, ours: bytes | None, theirs: bytes | None) -> bytes | None:
    if theirs in (ours, base):
        return ours
    if ours == base:
        return theirs
    return max((raw for raw in (ours, theirs) if raw is not None), key=_digest)


def _by_id(tree: Tree) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for path in sorted(tree):
        if not path.endswith(".md"):
            continue
        try:
            entry = entry_of(path, tree[path])
        except DocumentError:
            digest = _digest(path.encode(errors="surrogateescape"))[:16]
            entry = Entry(f"file-{digest}", path, None, None, (), "", _digest(tree[path]),
                          raw=tree[path])  # fmt: skip
        if entry.id in found:  # a copy by hand: it is merged by its place
            digest = _digest(path.encode(errors="surrogateescape"))[:16]
            found[f"file-{digest}"] = entry
        else:
            found[entry.id] = entry
    return found


def _equal(one: Entry, other: Entry) -> bool:
    return one.raw == other.raw and one.path == other.path


def _said(entry: Entry) -> tuple[str, Any]:
    return entry.content.strip(), _plain(entry.head)


def _plain(head: Mapping[str, Any]) -> list[tuple[str, str]]:
    return sorted((key, repr(value)) for key, value in head.items())


def _order(key: str) -> tuple[int, str]:
    first: Iterable[str] = ("id", "created", "source", "tags", "also")
    places = {name: number for number, name in enumerate(first)}
    return places.get(key, len(places)), key


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
