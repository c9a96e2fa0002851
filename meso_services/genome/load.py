"""Read genome, zooids and operons from three directories into one frozen value.

Reading never stops at the first mistake: what is sound is loaded, and every
problem is reported with file and key. Who must not go on with problems (the
renderer) looks at `problems`; who must (a running service) serves the rest.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from meso_services.contract.identity_hash import (
    Identity,
    IdentityError,
    read_genome_directory,
    read_identity,
)
from meso_services.files import front_matter
from meso_services.files.strict_yaml import DocumentError, load_mapping
from meso_services.genome.models import (
    MAX_FILE_BYTES,
    GenomeFile,
    Operon,
    OperonHead,
    OperonTests,
    Origin,
    Problem,
    Zooid,
    ZooidHead,
    count_tokens,
)
from meso_services.genome.requires import sound
from meso_services.genome.triggers import check_triggers

TEXT, TESTS = "OPERON.md", "tests.yaml"
STANDING_ORDERS = "STANDING-ORDERS.md"
T = TypeVar("T")


@dataclass(frozen=True)
class Loaded:
    """An identity as read. `hash` is None when it has no canonical form (see `problems`).

    `parts` holds the hash of genome, operons and zooids, `digests` each part's files
    (path → SHA-256); `standing_orders` is the text. Zooids and operons are in order of
    their names. `origins` says where an operon comes from, if not from the generation.
    """

    hash: str | None
    parts: Mapping[str, str]
    standing_orders: str
    files: tuple[GenomeFile, ...]
    zooids: tuple[Zooid, ...]
    operons: tuple[Operon, ...]
    problems: tuple[Problem, ...]
    digests: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    origins: Mapping[str, Origin] = field(default_factory=dict)


def load(genome: Path, zooids: Path, operons: Path) -> Loaded:
    """Read everything. Never raises for what the files hold."""
    return checked(read(genome, zooids, operons))


def load_below(root: Path) -> Loaded:
    """Read a generation: `genome/`, `zooids/` and `operons/` below `root`."""
    return load(root / "genome", root / "zooids", root / "operons")


def load_genome(directory: Path) -> Loaded:
    """Read a genome's own directory, where `zooids/` and `operons/` lie inside."""
    return load(directory, directory / "zooids", directory / "operons")


def read(genome: Path, zooids: Path, operons: Path) -> Loaded:
    """Read everything, without judging what operons require of each other."""
    problems: list[Problem] = []
    inside = operons.parent == genome
    identity = _identity({"genome": genome, "zooids": zooids, "operons": operons}, inside, problems)
    orders = _collect(problems, lambda: _read_orders(genome))
    loaded_zooids = [_collect(problems, _bind(_zooid, p)) for p in _zooid_files(zooids, problems)]
    loaded_operons = [
        _collect(problems, _bind(read_operon, p)) for p in _folders(operons, problems)
    ]
    digests = {name: part.files for name, part in identity.parts.items()} if identity else {}
    return Loaded(
        hash=identity.hash if identity else None,
        parts={name: part.hash for name, part in identity.parts.items()} if identity else {},
        standing_orders=orders or "",
        files=_listing(genome, digests.get("genome", {})),
        zooids=tuple(zooid for zooid in loaded_zooids if zooid),
        operons=tuple(operon for operon in loaded_operons if operon),
        problems=tuple(problems),
        digests=digests,
    )


def checked(loaded: Loaded) -> Loaded:
    """The same without operons that require themselves, or what is not there."""
    problems = list(loaded.problems)
    operons = sound(loaded.operons, problems)
    return replace(loaded, operons=operons, problems=tuple(problems))


def _identity(
    directories: Mapping[str, Path], inside: bool, problems: list[Problem]
) -> Identity | None:
    try:
        if inside:
            return read_genome_directory(directories["genome"])
        return read_identity(directories)
    except (IdentityError, OSError) as error:
        problems.append(Problem("identity", "", str(error)))
        return None


def _listing(genome: Path, digests: Mapping[str, str]) -> tuple[GenomeFile, ...]:
    return tuple(
        GenomeFile(path, (genome / path).stat().st_size, digests[path]) for path in sorted(digests)
    )


def _collect(problems: list[Problem], read: Callable[[], T]) -> T | None:
    try:
        return read()
    except DocumentError as error:
        problems.append(Problem(error.where, error.key, error.problem))
    except OSError as error:
        problems.append(Problem(str(error.filename or "?"), "", error.strerror or str(error)))
    return None


def _bind(function: Callable[[Path], T], path: Path) -> Callable[[], T]:
    return lambda: function(path)


def _visible(directory: Path, problems: list[Problem]) -> Iterator[Path]:
    try:
        paths = sorted(directory.iterdir())
    except OSError as error:
        problems.append(Problem(str(directory), "", error.strerror or str(error)))
        return
    yield from (path for path in paths if not path.name.startswith("."))


def _zooid_files(directory: Path, problems: list[Problem]) -> Iterator[Path]:
    for path in _visible(directory, problems):
        if path.suffix == ".md":
            yield path
        else:
            problems.append(Problem(str(path), "", "only `NN-NAME.md` files belong here"))


def _folders(directory: Path, problems: list[Problem]) -> Iterator[Path]:
    for path in _visible(directory, problems):
        if path.is_dir():
            yield path
        else:
            problems.append(Problem(str(path), "", "only one folder an operon belongs here"))


def _read_orders(genome: Path) -> str:
    path = genome / STANDING_ORDERS
    text = front_matter.split(read_bytes(path), str(path)).body
    if not text.strip():
        raise DocumentError(str(path), "", "is empty: an instance needs its standing orders")
    return text


def read_bytes(path: Path) -> bytes:
    """Read a regular file up to the size limit; anything else is refused without waiting."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise DocumentError(str(path), "", "is not a regular file")
        raw = file.read(MAX_FILE_BYTES + 1)
    if len(raw) > MAX_FILE_BYTES:
        raise DocumentError(str(path), "", f"is larger than {MAX_FILE_BYTES} bytes")
    return raw


def _zooid(path: Path) -> Zooid:
    return parse_zooid(path.name, read_bytes(path), str(path))


def parse_zooid(file: str, raw: bytes, where: str) -> Zooid:
    """A zooid from its file's name and bytes. Raises DocumentError."""
    document = front_matter.split(raw, where)
    head = front_matter.validate(ZooidHead, _head(document, where), where)
    _same_name(where, head.name, file.removesuffix(".md"), "file")
    tokens = _within_budget(where, document.body, head.budget_tokens)
    return Zooid(head, document.body, tokens)


def read_operon(folder: Path) -> Operon:
    """An operon from its folder. Raises DocumentError or OSError."""
    raw = {name: read_bytes(folder / name) for name in (TEXT, TESTS)}
    return parse_operon(folder.name, raw, str(folder))


def parse_operon(name: str, files: Mapping[str, bytes], place: str) -> Operon:
    """An operon from the bytes of its two files; `place` stands for its folder in errors.

    Raises DocumentError.
    """
    where = f"{place}/{TEXT}"
    for wanted in (TEXT, TESTS):
        if wanted not in files:
            raise DocumentError(f"{place}/{wanted}", "", "is missing")
    document = front_matter.split(files[TEXT], where)
    head = front_matter.validate(OperonHead, _head(document, where), where)
    _same_name(where, head.name, name, "folder")
    check_triggers(where, head)
    tokens = _within_budget(where, document.body, head.budget_tokens)
    return Operon(head, document.body, tokens, _tests(files[TESTS], f"{place}/{TESTS}"))


def _tests(raw: bytes, where: str) -> OperonTests:
    data = load_mapping(front_matter.decode(raw, where), where)
    return front_matter.validate(OperonTests, data, where)


def _head(document: front_matter.Document, where: str) -> Mapping[str, object]:
    if document.head is None:
        raise DocumentError(where, "", "has no front matter: the first line must be `---`")
    return document.head


def _same_name(where: str, name: str, expected: str, kind: str) -> None:
    if name != expected:
        raise DocumentError(where, "name", f"is {name!r}, but the {kind} is named {expected!r}")


def _within_budget(where: str, text: str, budget: int) -> int:
    tokens = count_tokens(text)
    if tokens > budget:
        problem = f"the text has {tokens} tokens, the budget is {budget}: shorten it or raise this"
        raise DocumentError(where, "budget_tokens", problem)
    if not text.strip():
        raise DocumentError(where, "", "has front matter but no text")
    return tokens
