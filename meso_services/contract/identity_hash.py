"""The identity hash: one SHA-256 over what an instance *is*.

An instance's identity has three parts, `genome`, `zooids` and `operons`: three
directories of a generation. The renderer writes the hash into the manifest and
the operon loader computes it again from what it reads, so both must agree to
the byte. The canonical form, version 1:

1. A part's files are its regular files, in any depth. A name that starts with
   a dot is skipped with everything below it (git's own files, editors' files).
   A symbolic link, device, socket or pipe is refused: it would say something
   else on another machine.
2. A path is relative to the part, with `/` between names, in UTF-8, Unicode
   NFC, without control characters. Others are refused, not repaired.
3. A file is its bytes. Line endings are not normalised: a signature covers
   bytes, and a model reads bytes. `.gitattributes` keeps git from changing them.
4. Modes, owners, times and empty directories do not count.
5. A part's hash is the SHA-256 of the line `meso-identity-part 1` and then, per
   file in order of the path's UTF-8 bytes, the line `<sha256>  <path>`.
6. The identity is the SHA-256 of the line `meso-identity 1` and then, per part
   in alphabetical order, the line `<sha256>  <part>`.

Every line ends in one line feed. The second form is what `sha256sum` prints, so
an operator can check a part by hand.
"""

from __future__ import annotations

import hashlib
import os
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PARTS = ("genome", "operons", "zooids")
_CHUNK = 1 << 20


class IdentityError(ValueError):
    """A tree that has no canonical form. The message names the path and the remedy."""


@dataclass(frozen=True)
class Part:
    """One part: its hash, and each file's SHA-256 by canonical path (hexadecimal)."""

    hash: str
    files: Mapping[str, str]


@dataclass(frozen=True)
class Identity:
    """The whole: `hash` in hexadecimal, and the three parts by name."""

    hash: str
    parts: Mapping[str, Part]


def part_hash(files: Mapping[str, str]) -> str:
    """Hash of one part, from canonical path → SHA-256 of the file's bytes."""
    ordered = sorted(files.items(), key=lambda item: item[0].encode())
    return _lines("meso-identity-part 1", ((digest, path) for path, digest in ordered))


def identity_hash(parts: Mapping[str, str]) -> str:
    """Hash of the whole, from part name → part hash.

    Raises IdentityError unless exactly the three parts are given.
    """
    if sorted(parts) != sorted(PARTS):
        raise IdentityError(f"an identity has the parts {', '.join(PARTS)}, not {sorted(parts)}")
    return _lines("meso-identity 1", ((parts[name], name) for name in sorted(parts)))


def read_part(directory: Path) -> Part:
    """Read one part from its directory. Raises IdentityError, or OSError if unreadable."""
    files = {_canonical(name, path): _digest(path) for name, path in _walk(str(directory), "")}
    return Part(part_hash(files), files)


def read_identity(directories: Mapping[str, Path]) -> Identity:
    """Read an identity from part name → directory."""
    parts = {name: read_part(path) for name, path in directories.items()}
    return Identity(identity_hash({name: part.hash for name, part in parts.items()}), parts)


def read_generation(root: Path) -> Identity:
    """Read the identity of a generation from its root directory."""
    return read_identity({name: root / name for name in PARTS})


def read_genome_directory(directory: Path) -> Identity:
    """Read a genome's own directory, in which `zooids/` and `operons/` lie inside.

    They are parts of their own, so the hash is that of the generation made from it.
    """
    files = read_part(directory).files
    parts: dict[str, dict[str, str]] = {name: {} for name in PARTS}
    for path, digest in files.items():
        first, slash, rest = path.partition("/")
        inner = bool(slash) and first in ("operons", "zooids")
        parts[first if inner else "genome"][rest if inner else path] = digest
    return from_digests(parts)


def from_digests(parts: Mapping[str, Mapping[str, str]]) -> Identity:
    """The identity of files whose digests are known: part name → path → SHA-256."""
    made = {name: Part(part_hash(files), files) for name, files in parts.items()}
    return Identity(identity_hash({name: part.hash for name, part in made.items()}), made)


def _lines(title: str, pairs: Iterator[tuple[str, str]]) -> str:
    body = "".join(f"{digest}  {name}\n" for digest, name in pairs)
    return hashlib.sha256(f"{title}\n{body}".encode()).hexdigest()


def _walk(directory: str, prefix: str) -> Iterator[tuple[str, str]]:
    """Path in the part, and where it lies. Plain strings: there may be ten thousand."""
    for entry in os.scandir(directory):
        if entry.name.startswith("."):
            continue
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            yield from _walk(entry.path, f"{prefix}{entry.name}/")
        elif stat.S_ISREG(mode):
            yield f"{prefix}{entry.name}", entry.path
        else:
            raise IdentityError(
                f"{entry.path}: is neither a regular file nor a directory. "
                "Replace the link or special file by the file itself."
            )


def _canonical(name: str, path: str) -> str:
    if name.isascii() and name.isprintable():
        return name
    try:
        name.encode()
    except UnicodeEncodeError:
        raise IdentityError(f"{path!r}: the name is not UTF-8. Rename the file.") from None
    if unicodedata.normalize("NFC", name) != name:
        raise IdentityError(f"{path}: the name is not in Unicode NFC. Rename the file.")
    if any(unicodedata.category(character) == "Cc" for character in name):
        raise IdentityError(f"{path!r}: the name holds a control character. Rename the file.")
    return name


def _digest(path: str) -> str:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        digest = hashlib.sha256()
        while chunk := os.read(handle, _CHUNK):
            digest.update(chunk)
    finally:
        os.close(handle)
    return digest.hexdigest()
