"""Reads the genome's directory into the three parts of an identity."""

from __future__ import annotations

from pathlib import Path

from meso_services.contract.identity_hash import (
    Identity,
    IdentityError,
    Part,
    identity_hash,
    part_hash,
    read_part,
)
from meso_services.genome.load import load
from meso_services.genome.match import Matcher, failed_tests

STANDING_ORDERS = "STANDING-ORDERS.md"
# Parts with a directory of their own inside the genome's.
_INNER = ("operons", "zooids")


class GenomeError(Exception):
    """A genome that cannot become a generation. The message names path and remedy."""


def read_genome(directory: Path) -> tuple[Identity, dict[str, bytes]]:
    """The identity, and every file by its path in the generation.

    `zooids/` and `operons/` move up beside `genome/`. Raises GenomeError with every mistake.
    """
    _check(directory)
    try:
        digests = read_part(directory).files
        placed = {_placed(name): (name, digest) for name, digest in digests.items()}
        files = {new: (directory / old).read_bytes() for new, (old, _) in placed.items()}
    except IdentityError as error:
        raise GenomeError(str(error)) from None
    except OSError as error:
        raise GenomeError(f"{error.filename}: cannot be read: {error.strerror}") from None
    parts = {
        part: _part({new: digest for new, (_, digest) in placed.items()}, part)
        for part in ("genome", *_INNER)
    }
    _require_sound(directory)
    return Identity(identity_hash({name: part.hash for name, part in parts.items()}), parts), files


def _require_sound(directory: Path) -> None:
    """Refuse what the operon loader would have to leave out, and operons that fail their tests."""
    loaded = load(directory, *(directory / part for part in ("zooids", "operons")))
    mistakes = [str(problem) for problem in loaded.problems]
    if not mistakes:
        matcher = Matcher(loaded.operons)
        mistakes = [m for operon in loaded.operons for m in failed_tests(operon, matcher)]
    if mistakes:
        raise GenomeError("\n".join(mistakes))


def _placed(name: str) -> str:
    return name if name.split("/", 1)[0] in _INNER else f"genome/{name}"


def _part(digests: dict[str, str], part: str) -> Part:
    prefix = f"{part}/"
    own = {n.removeprefix(prefix): d for n, d in digests.items() if n.startswith(prefix)}
    return Part(part_hash(own), own)


def _check(directory: Path) -> None:
    if not directory.is_dir():
        raise GenomeError(f"{directory}: is no directory. Give the genome's directory.")
    for name in _INNER:
        if not (directory / name).is_dir():
            raise GenomeError(f"{directory / name}: is missing. A genome has {name}/, even empty.")
    if not (directory / STANDING_ORDERS).is_file():
        raise GenomeError(f"{directory / STANDING_ORDERS}: is missing. A genome starts with it.")
