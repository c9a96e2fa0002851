"""Read genome, zooids and operons from three directories into one frozen value.

Reading never stops at the first mistake: what is sound is loaded, and every
problem is reported with file and key. Who must not go on with problems (the
renderer) looks at `problems`; who must (a running service) serves the rest.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from meso_services.contract.identity_hash import IdentityError, read_identity
from meso_services.files import front_matter
from meso_services.files.strict_yaml import DocumentError, load_mapping
from meso_services.genome.models import (
    MAX_FILE_BYTES,
    GenomeFile,
    Operon,
    OperonHead,
    OperonTests,
    Problem,
    Zooid,
    ZooidHead,
    count_tokens,
)
from meso_services.genome.pattern import PatternError, compile_pattern
from meso_services.genome.words import WordError, parse_word

STANDING_ORDERS = "STANDING-ORDERS.md"
T = TypeVar("T")


@dataclass(frozen=True)
class Loaded:
    """An identity as read. `hash` is None when it has no canonical form (see `problems`).

    `parts` holds the hash of genome, operons and zooids; `standing_orders` the text.
    Zooids and operons are in order of their names.
    """

    hash: str | None
    parts: Mapping[str, str]
    standing_orders: str
    files: tuple[GenomeFile, ...]
    zooids: tuple[Zooid, ...]
    operons: tuple[Operon, ...]
    problems: tuple[Problem, ...]


def load(genome: Path, zooids: Path, operons: Path) -> Loaded:
    """Read everything. Never raises for what the files hold."""
    problems: list[Problem] = []
    digests = _hashes(genome, zooids, operons, problems)
    orders = _collect(problems, lambda: _read_orders(genome))
    loaded_zooids = [_collect(problems, _bind(_zooid, p)) for p in _zooid_files(zooids, problems)]
    loaded_operons = [_collect(problems, _bind(_operon, p)) for p in _folders(operons, problems)]
    return Loaded(
        hash=digests.whole,
        parts=digests.parts,
        standing_orders=orders or "",
        files=_listing(genome, digests.genome),
        zooids=tuple(zooid for zooid in loaded_zooids if zooid),
        operons=tuple(operon for operon in loaded_operons if operon),
        problems=tuple(problems),
    )


def load_below(root: Path) -> Loaded:
    """Read a generation: `genome/`, `zooids/` and `operons/` below `root`."""
    return load(root / "genome", root / "zooids", root / "operons")


@dataclass(frozen=True)
class _Hashes:
    whole: str | None
    parts: Mapping[str, str]
    genome: Mapping[str, str]


def _hashes(genome: Path, zooids: Path, operons: Path, problems: list[Problem]) -> _Hashes:
    directories = {"genome": genome, "zooids": zooids, "operons": operons}
    try:
        identity = read_identity(directories)
    except (IdentityError, OSError) as error:
        problems.append(Problem("identity", "", str(error)))
        return _Hashes(None, {}, {})
    parts = {name: part.hash for name, part in identity.parts.items()}
    return _Hashes(identity.hash, parts, identity.parts["genome"].files)


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
    text = front_matter.split(_read(path), str(path)).body
    if not text.strip():
        raise DocumentError(str(path), "", "is empty: an instance needs its standing orders")
    return text


def _read(path: Path) -> bytes:
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
    where = str(path)
    document = front_matter.split(_read(path), where)
    head = front_matter.validate(ZooidHead, _head(document, where), where)
    _same_name(where, head.name, path.stem, "file")
    tokens = _within_budget(where, document.body, head.budget_tokens)
    return Zooid(head, document.body, tokens)


def _operon(folder: Path) -> Operon:
    where = str(folder / "OPERON.md")
    document = front_matter.split(_read(folder / "OPERON.md"), where)
    head = front_matter.validate(OperonHead, _head(document, where), where)
    _same_name(where, head.name, folder.name, "folder")
    _check_triggers(where, head)
    tokens = _within_budget(where, document.body, head.budget_tokens)
    return Operon(head, document.body, tokens, _tests(folder / "tests.yaml"))


def _tests(path: Path) -> OperonTests:
    where = str(path)
    data = load_mapping(front_matter.decode(_read(path), where), where)
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


def _check_triggers(where: str, head: OperonHead) -> None:
    if not head.triggers.words and not head.triggers.patterns:
        raise DocumentError(where, "triggers", "needs at least one word or pattern")
    for number, word in enumerate(head.triggers.words):
        try:
            parse_word(word)
        except WordError as error:
            raise DocumentError(where, f"triggers.words.{number}", f"{word!r}: {error}") from None
    for number, pattern in enumerate(head.triggers.patterns):
        try:
            compile_pattern(pattern)
        except PatternError as error:
            key = f"triggers.patterns.{number}"
            raise DocumentError(where, key, f"{pattern!r}: {error}") from None
