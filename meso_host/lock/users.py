"""The table of users and groups: every number fixed, none handed out in sequence.

It is made from the sysusers.d files of the image's packages and of the overlay. A name without a
number in images/debian/users.toml fails the lock.
"""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from meso_host.errors import HostError
from meso_host.lock import deb
from meso_host.lock.model import Group, User, UserLock

NUMBERS = Path("images/debian/users.toml")
OVERLAY = Path("images/debian/overlay/usr/lib/sysusers.d")
_NOLOGIN = "/usr/sbin/nologin"


class Numbers(BaseModel):
    """users.toml: a number for each name, and groups that only a maintainer script makes."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    version: Literal[1] = Field(alias="schema")
    numbers: dict[str, int]
    scripted: dict[str, str] = Field(alias="scripted-groups")


@dataclass(frozen=True)
class Line:
    """One line of a sysusers.d file, and whose it is."""

    source: str
    kind: str
    name: str
    number: str
    gecos: str
    home: str
    shell: str


@dataclass
class _Table:
    numbers: Numbers
    users: dict[str, User] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)


def load(path: Path) -> Numbers:
    """Read users.toml. Raises HostError users.broken."""
    try:
        return Numbers.model_validate(tomllib.loads(path.read_text()))
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise HostError("users.broken", f"{path}: {error}", remedy="Correct the file.") from error


def of_package(name: str, path: Path) -> Iterator[Line]:
    """The sysusers.d lines that a package brings."""
    with deb.tar(deb.member(path, "data.tar")) as archive:
        for info in archive:
            stream = archive.extractfile(info) if "/sysusers.d/" in info.name else None
            if stream is not None:
                yield from parse(name, stream.read().decode())


def of_overlay(directory: Path) -> Iterator[Line]:
    """The sysusers.d lines that are the appliance's own."""
    for path in sorted(directory.glob("*.conf")):
        yield from parse("meso", path.read_text())


def parse(source: str, text: str) -> Iterator[Line]:
    """Lines of the form `TYPE NAME NUMBER GECOS HOME SHELL`; `-` leaves a field out."""
    for raw in text.splitlines():
        words = shlex.split(raw, comments=True)
        if words:
            kind, name, number, gecos, home, shell = [*words, *["-"] * 6][:6]
            yield Line(source, kind.rstrip("!+"), name, number, gecos, home, shell)


def table(lines: Iterable[Line], numbers: Numbers) -> UserLock:
    """The whole table. Raises HostError lock.unknown-user or users.collision."""
    known = _Table(numbers)
    given = list(lines)
    for line in given:
        if line.kind == "g":
            _group(known, line.name, line.number, line.source)
    for name, package in numbers.scripted.items():
        _group(known, name, "-", package)
    for line in given:
        if line.kind == "u":
            _user(known, line)
    for line in given:
        if line.kind == "m":
            _member(known, line)
    if known.unknown:
        raise _unknown(known.unknown, numbers)
    _distinct({user.name: user.uid for user in known.users.values()})
    _distinct({group.name: group.gid for group in known.groups.values()})
    return UserLock(
        schema=1,
        users=tuple(sorted(known.users.values(), key=lambda user: user.uid)),
        groups=tuple(sorted(known.groups.values(), key=lambda group: group.gid)),
    )


def _number(known: _Table, name: str, said: str, source: str) -> int:
    if said.isdigit():
        return int(said)
    if name not in known.numbers.numbers:
        known.unknown[name] = source
    return known.numbers.numbers.get(name, -1)


def _group(known: _Table, name: str, said: str, source: str) -> None:
    if name not in known.groups:
        number = _number(known, name, said, source)
        known.groups[name] = Group(name=name, gid=number, members=(), source=source)


def _user(known: _Table, line: Line) -> None:
    if line.name in known.users:
        return
    said, _, group = line.number.partition(":")
    uid = _number(known, line.name, said, line.source)
    if not group:
        _group(known, line.name, str(uid), line.source)
        group = line.name
    elif group.isdigit():
        group = next(g.name for g in known.groups.values() if g.gid == int(group))
    known.users[line.name] = User(
        name=line.name,
        uid=uid,
        group=group,
        source=line.source,
        gecos="" if line.gecos == "-" else line.gecos,
        home="/" if line.home == "-" else line.home,
        shell=_NOLOGIN if line.shell == "-" else line.shell,
    )


def _member(known: _Table, line: Line) -> None:
    _group(known, line.number, "-", line.source)
    group = known.groups[line.number]
    members = tuple(sorted({*group.members, line.name}))
    known.groups[line.number] = group.model_copy(update={"members": members})


def _unknown(names: Mapping[str, str], numbers: Numbers) -> HostError:
    free = max(numbers.numbers.values(), default=800) + 1
    lines = [f"  {name} (of {source})" for name, source in sorted(names.items())]
    return HostError(
        "lock.unknown-user",
        "Packages bring users or groups without a fixed number:\n" + "\n".join(lines),
        remedy=f"Add them under [numbers] in {NUMBERS}; {free} is the next free number.",
    )


def _distinct(numbers: Mapping[str, int]) -> None:
    seen: dict[int, str] = {}
    for name, number in numbers.items():
        if number in seen:
            raise HostError(
                "users.collision",
                f"{seen[number]} and {name} have the same number {number}.",
                remedy=f"Give one of them another number in {NUMBERS}.",
            )
        seen[number] = name
