"""Maintainer scripts are not run; each has been read by somebody, or the lock fails.

images/debian/scripts.toml holds the reviews: package, script, the first 16 hex digits of its
SHA-256, the verdict (`ignored`, or `done-by:PATH,...` for what does its work), and why.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from meso_host.errors import HostError
from meso_host.lock import deb

REVIEWS = Path("images/debian/scripts.toml")
ANY = "*"
_DIGITS = 16
_DEBHELPER = rb"^# (?:Automatically added by|End automatically added section).*\n"
# A kernel update changes nothing in its scripts but the release they name.
_KERNEL = re.compile(rb"\d+\.\d+\.\d+\\?\+deb\d+(?:\\?\+\d+)?")


class Review(BaseModel):
    """One entry. `package` may be `*` for a text that many packages share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    package: str
    script: Literal["preinst", "postinst", "config", "triggers"]
    sha256: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")], ...]
    verdict: Annotated[str, Field(pattern=r"^(ignored|done-by:[A-Za-z0-9_/.,-]+)$")]
    why: Annotated[str, Field(min_length=8)]

    def steps(self) -> tuple[str, ...]:
        """What does its work instead, as paths in the repository."""
        return (
            tuple(self.verdict.removeprefix("done-by:").split(",")) if ":" in self.verdict else ()
        )


class Reviews(BaseModel):
    """The whole file. Scripts of a `never-run` kind need no review."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    version: Literal[1] = Field(alias="schema")
    never_run: tuple[Literal["prerm", "postrm"], ...] = Field(alias="never-run")
    script: tuple[Review, ...]


@dataclass(frozen=True)
class Script:
    """A maintainer script of a package, its text, and its shortened SHA-256."""

    package: str
    name: str
    text: bytes

    @property
    def digest(self) -> str:
        """The first 16 hex digits, of the text without what changes and means nothing.

        A kernel's release counts as the word KERNEL, debhelper's remarks do not count at all.
        """
        said = _KERNEL.sub(b"KERNEL", self.text)
        remark = rb"^#.*\n|^\s*\n" if self.name == "triggers" else _DEBHELPER
        return hashlib.sha256(re.sub(remark, b"", said, flags=re.M)).hexdigest()[:_DIGITS]


def load(path: Path) -> Reviews:
    """Read scripts.toml. Raises HostError scripts.broken."""
    try:
        return Reviews.model_validate(tomllib.loads(path.read_text()))
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise HostError("scripts.broken", f"{path}: {error}", remedy="Correct the file.") from error


def of(package: str, path: Path) -> Iterator[Script]:
    """The scripts of a package file, in the order of their names."""
    name = _KERNEL.sub(b"KERNEL", package.encode()).decode()
    for script, text in sorted(deb.scripts(path).items()):
        yield Script(name, script, text)


def check(scripts: Iterable[Script], reviews: Reviews) -> list[Review]:
    """Raise HostError lock.unreviewed for scripts nobody has read.

    Returns the reviews that fit no script any more.
    """
    known = {(r.package, r.script, digest): r for r in reviews.script for digest in r.sha256}
    used: set[tuple[str, str, str]] = set()
    unread: dict[tuple[str, str, str], None] = {}
    for script in scripts:
        keys = [(name, script.name, script.digest) for name in (script.package, ANY)]
        fitting = [key for key in keys if key in known]
        used.update(fitting)
        if not fitting and script.name not in reviews.never_run:
            unread[keys[0]] = None
    if unread:
        raise _unreviewed(list(unread))
    return [review for key, review in known.items() if key not in used]


def _unreviewed(keys: list[tuple[str, str, str]]) -> HostError:
    lines = [f"  {package}: {script} (sha256 {digest}...)" for package, script, digest in keys]
    return HostError(
        "lock.unreviewed",
        "Nobody has reviewed these maintainer scripts:\n" + "\n".join(lines),
        remedy="Read each with ./meso lock --review PACKAGE, see that the image does what matters "
        "of it, and add an entry to images/debian/scripts.toml.",
    )
