"""Matches names, paths, hosts and command words against a rule's patterns."""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Iterable, Sequence

from meso_services.tool_executor.policy.words import Word

WORKSPACE = "/workspace"
DEFAULT_PORT = "443"


# No longer path can be opened, so a longer word names no file.
_PATH_MAX = 4096
_MOST_JOINED = 6


def _linear(pieces: Sequence[str]) -> re.Pattern[str]:
    """`pieces` with anything in between. Each is taken where it comes first, for good.

    That is enough, and it keeps an agent's long word from making the match try for ever.
    """
    first, *rest = pieces
    if not rest:
        return re.compile(first, re.DOTALL)
    *middle, last = rest
    found = "".join(f"(?>.*?{piece})" for piece in middle if piece)
    return re.compile(f"{first}{found}.*{last}", re.DOTALL)


@functools.lru_cache(maxsize=4096)
def _name(pattern: str) -> re.Pattern[str]:
    return _linear([re.escape(piece) for piece in pattern.split("*")])


@functools.lru_cache(maxsize=4096)
def _segment(pattern: str) -> re.Pattern[str]:
    pieces = [re.escape(piece).replace(r"\?", ".") for piece in pattern.split("*")]
    return _linear(pieces)


@functools.lru_cache(maxsize=4096)
def _path(pattern: str) -> tuple[tuple[str, ...], ...]:
    """The ways to read a pattern, as names of directories; `**` is any number of them.

    A `**` inside of a name may hold a slash or not: `a**b` is `a*b` or `a*/**/*b`.
    """
    plain = pattern.strip("/")
    ways: list[tuple[str, ...]] = [()]
    for name in plain.split("/"):
        first, *others = re.split(r"\*{2,}", name) if name.strip("*") else [name]
        parts: list[tuple[str, ...]] = [(first,)]
        for other in others:
            parts = [
                longer
                for part in parts
                for longer in (
                    (*part[:-1], f"{part[-1]}*{other}"),
                    (*part[:-1], f"{part[-1]}*", "**", f"*{other}"),
                )
            ]
        ways = [(*way, *part) for way in ways for part in parts]
    # A pattern without a directory fits a name anywhere, as in .gitignore.
    before = () if "/" in plain else ("**",)
    # What lies below a directory that fits, fits; `a/**` is not about `a` itself.
    return tuple((*before, *way, *(("*",) if way[-1] == "**" else ()), "**") for way in ways)


def name_fits(patterns: Iterable[str], *names: str) -> bool:
    """Whether one of `names` fits one of `patterns`."""
    return any(_name(pattern).fullmatch(name) for pattern in patterns for name in names)


def path_fits(pattern: str, path: str) -> bool:
    """Whether a path below the workspace (without a leading slash) fits."""
    if len(path) > _PATH_MAX:
        return False
    names = path.split("/")
    return any(_way_fits(way, names) for way in _path(pattern))


def too_wide(pattern: str) -> bool:
    """Whether a pattern for paths has too many `**` inside of names to be read in all ways."""
    return len(re.findall(r"(?<=[^/*])\*{2,}|\*{2,}(?=[^/*])", pattern)) > _MOST_JOINED


def _way_fits(way: tuple[str, ...], names: list[str]) -> bool:
    # Numbers of those parts of `way` that may be next.
    places = _skipped(way, {0})
    for name in names:
        stay = {place for place in places if place < len(way) and way[place] == "**"}
        on = {
            place + 1
            for place in places - stay
            if place < len(way) and _segment(way[place]).fullmatch(name)
        }
        places = _skipped(way, stay | on)
        if not places:
            return False
    return len(way) in places


def _skipped(way: tuple[str, ...], places: set[int]) -> set[int]:
    found = set(places)
    for place in places:
        while place < len(way) and way[place] == "**":
            place += 1  # noqa: PLW2901
            found.add(place)
    return found


def below_workspace(path: str, *, start: str = WORKSPACE) -> str | None:
    """A path as it stands below the workspace, `..` resolved; None if it is elsewhere."""
    whole = posixpath.normpath(posixpath.join(start, path))
    # Two slashes at the front are kept by normpath, and mean one.
    whole = "/" + whole.lstrip("/")
    if whole == WORKSPACE:
        return ""
    return whole.removeprefix(f"{WORKSPACE}/") if whole.startswith(f"{WORKSPACE}/") else None


def host_fits(pattern: str, host: str) -> bool:
    """Whether `host` (with or without a port) fits; names are compared without case."""
    return _name(_with_port(pattern)).fullmatch(_with_port(host)) is not None


def _with_port(host: str) -> str:
    name, colon, port = host.partition(":")
    return f"{name.lower().rstrip('.')}:{port if colon else DEFAULT_PORT}"


def command_fits(pattern: str, name: str, words: Sequence[Word], *, surely: bool) -> bool:
    """Whether a command fits a pattern: for sure, or perhaps, where words are not known."""
    first, *rest = pattern.split()
    return _name(first).fullmatch(name) is not None and _words_fit(rest, list(words), surely)


def _words_fit(patterns: list[str], words: list[Word], surely: bool) -> bool:
    if patterns == ["*"]:
        return True
    if words and words[0].text is None and words[0].splits:
        # It may become any number of words.
        return not surely
    if not patterns or not words:
        return not patterns and not words
    return _word_fits(patterns[0], words[0], surely) and _words_fit(patterns[1:], words[1:], surely)


def _word_fits(pattern: str, word: Word, surely: bool) -> bool:
    if word.text is not None:
        return _name(pattern).fullmatch(word.text) is not None
    return pattern == "*" or not surely


def weight(pattern: str) -> int:
    """How specific a pattern is: its characters that stand for themselves."""
    return len(pattern) - pattern.count("*")
