"""Matches names, paths, hosts and command words against a rule's patterns."""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Iterable, Sequence

from meso_services.tool_executor.policy.words import Word

WORKSPACE = "/workspace"
DEFAULT_PORT = "443"


@functools.lru_cache(maxsize=4096)
def _name(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)


@functools.lru_cache(maxsize=4096)
def _path(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.strip("/"))
    marks = {"**/": r"(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    # A pattern without a directory fits a name anywhere, as in .gitignore.
    anywhere = "" if "/" in pattern.strip("/") else r"(?:.*/)?"
    inner = "".join(marks.get(part, re.escape(part)) for part in parts)
    # What lies below a directory that fits, fits.
    return re.compile(f"{anywhere}{inner}(?:/.*)?", re.DOTALL)


def name_fits(patterns: Iterable[str], *names: str) -> bool:
    """Whether one of `names` fits one of `patterns`."""
    return any(_name(pattern).fullmatch(name) for pattern in patterns for name in names)


def path_fits(pattern: str, path: str) -> bool:
    """Whether a path below the workspace (without a leading slash) fits."""
    return _path(pattern).fullmatch(path) is not None


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
