"""Put an adapter's pieces into a directory, and take them back to the last byte."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, assert_never

from meso_cli.adapters import json_text
from meso_cli.adapters.base import Adapter, Block, Member, Piece, Source, Whole
from meso_cli.adapters.tree import Tree
from meso_cli.output import CliError

PLACE = ".meso-adapter"
SCHEMA = 1


@dataclass(frozen=True)
class Put:
    """One piece that was put in: the exact text, and whether its file was made for it.

    For a member of a JSON file, `container`, `key` and `value` find it again when the user's
    editor has formatted the file anew.
    """

    path: str
    text: str
    created: bool
    kind: str
    container: tuple[str, ...] = ()
    key: str | None = None
    value: Any = None


@dataclass(frozen=True)
class Manifest:
    """What an installation consists of; kept beside it in `.meso-adapter/NAME.json`."""

    platform: str
    identity: str
    host: str | None
    puts: tuple[Put, ...]
    directories: tuple[str, ...]

    def render(self) -> str:
        """As it is kept."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"


def manifest_path(name: str) -> str:
    """Where the manifest of an adapter lies, relative to the directory."""
    return f"{PLACE}/{name}.json"


def read_manifest(tree: Tree, name: str) -> Manifest | None:
    """The manifest of an installation that is there. Raises `adapter.manifest`."""
    text = tree.read(manifest_path(name))
    if text is None:
        return None
    try:
        found = json.loads(text)
        puts = tuple(Put(**{**p, "container": tuple(p["container"])}) for p in found["puts"])
        platform, identity, host = (found[name] for name in ("platform", "identity", "host"))
        return Manifest(platform, identity, host, puts, tuple(found["directories"]))
    except (ValueError, KeyError, TypeError) as problem:
        raise CliError(
            "adapter.manifest",
            f"{tree.top / manifest_path(name)} cannot be used: {problem!r}",
            hint="Restore it from version control, or take the marked blocks out by hand.",
        ) from problem


def install(tree: Tree, adapter: Adapter, source: Source) -> Manifest:
    """Change `tree` to what it is with the adapter's pieces; an older installation goes first."""
    before = read_manifest(tree, adapter.name)
    kept: Sequence[str] = ()
    if before:
        take_out(tree, before, force=False)
        kept = before.directories
    puts = tuple(_put(tree, adapter.name, piece) for piece in adapter.pieces(source))
    # Adapters share this directory; it goes with the last of them.
    directories = tuple(sorted({*tree.missing_directories(), *kept, PLACE}))
    manifest = Manifest(adapter.name, source.who.hash, source.host, puts, directories)
    tree.put(manifest_path(adapter.name), manifest.render())
    return manifest


def uninstall(tree: Tree, name: str, *, force: bool) -> Manifest:
    """Change `tree` to what it is without the adapter. Raises `adapter.not_installed|edited`."""
    manifest = read_manifest(tree, name)
    if manifest is None:
        raise CliError("adapter.not_installed", f"{name} is not installed in {tree.top}.")
    take_out(tree, manifest, force=force)
    tree.put(manifest_path(name), None)
    return manifest


def remove_directories(top: Path, directories: Sequence[str]) -> None:
    """Remove those that the installation made and that are empty now."""
    for directory in sorted(directories, reverse=True):
        place = top / directory
        if place.is_dir() and not place.is_symlink() and not any(place.iterdir()):
            place.rmdir()


def take_out(tree: Tree, manifest: Manifest, *, force: bool) -> None:
    """Take every piece out of `tree`, in the order opposite to that of putting in."""
    for put in reversed(manifest.puts):
        text = tree.read(put.path)
        if text is not None:
            tree.put(put.path, _without(text, put, manifest.platform, force=force))


def drifted(tree: Tree, manifest: Manifest) -> list[str]:
    """What is no longer as it was put in."""
    found = []
    for put in manifest.puts:
        text = tree.read(put.path)
        if text is None:
            found.append(f"{put.path} is gone")
        elif (text != put.text) if put.kind == "whole" else (put.text not in text):
            found.append(f"{put.path}: our part was edited or taken out")
    return found


def _put(tree: Tree, name: str, piece: Piece) -> Put:
    old = tree.read(piece.path)
    match piece:
        case Whole(path, text):
            if old is not None:
                raise CliError(
                    "adapter.exists",
                    f"{tree.top / path} is there already and is not ours.",
                    hint="Move it away first.",
                )
            tree.put(path, text)
            return Put(path, text, True, "whole")
        case Block(path, text):
            block = _block(name, text, old)
            tree.put(path, (old or "") + block)
            return Put(path, block, old is None, "block")
        case Member(path, container, value, key):
            try:
                new, text = json_text.insert(old or "{}\n", container, key, value)
            except json_text.JsonTextError as problem:
                where = tree.top / path
                raise CliError("adapter.json", f"{where} cannot be extended: {problem}") from None
            tree.put(path, new)
            return Put(path, text, old is None, "member", container, key, value)
        case _:
            assert_never(piece)


def _block(name: str, text: str, old: str | None) -> str:
    lead = "" if not old else "\n" if old.endswith("\n") else "\n\n"
    begin, end = _marks(name)
    return f"{lead}{begin}\n{text.strip()}\n{end}\n"


def _marks(name: str) -> tuple[str, str]:
    note = "written by `meso adapter`; edits inside are lost"
    return f"<!-- meso:begin {name} ({note}) -->", f"<!-- meso:end {name} -->"


def _without(text: str, put: Put, name: str, *, force: bool) -> str | None:
    if put.kind == "whole":
        if text != put.text and not force:
            raise _edited(put.path)
        return None
    if text.count(put.text) == 1:
        left = text.replace(put.text, "")
    elif put.kind == "member":
        left = _member_out(text, put)
    else:
        left = _block_out(text, put, name, force=force)
    base = "{}\n" if put.kind == "member" else ""
    return None if put.created and left == base else left


def _member_out(text: str, put: Put) -> str:
    try:
        return json_text.remove(text, put.container, put.key, put.value)
    except json_text.JsonTextError as problem:
        raise CliError(
            "adapter.json", f"{put.path} is no JSON any more: {problem}", hint="Repair it first."
        ) from None


def _block_out(text: str, put: Put, name: str, *, force: bool) -> str:
    begin, end = _marks(name)
    start, stop = text.find(begin), text.find(end)
    if start < 0 and stop < 0:
        return text
    if not force or not 0 <= start < stop:
        raise _edited(put.path)
    after = stop + len(end)
    return text[:start] + text[after + text[after:].startswith("\n") :]


def _edited(path: str) -> CliError:
    return CliError(
        "adapter.edited",
        f"{path}: the part that belongs to the adapter was edited.",
        hint="--force drops these edits; or undo them first. `meso adapter status` lists them.",
    )
