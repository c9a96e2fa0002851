"""From a path to TOML data, with the text's places: the first half of loading."""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meso_services.config.locate import Place, locate
from meso_services.config.mistakes import ConfigError, Key, Mistake

LARGEST = 1 << 20


@dataclass(frozen=True)
class Source:
    """A TOML file that parsed: its name, its data, and where each key stands."""

    file: str
    data: dict[str, Any]
    places: dict[Key, Place]


def read_source(path: Path) -> Source:
    """Read and parse `path`. Raises ConfigError."""
    return parse_source(_text(path), str(path))


def parse_source(text: str, file: str) -> Source:
    """Parse `text`, which came from `file`. Raises ConfigError."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax(file, text, str(error))]) from None
    except RecursionError:
        raise _failed("config.syntax", file, "is nested too deeply") from None
    except ValueError as error:
        raise _failed("config.syntax", file, f"holds a number out of range: {error}") from None
    return Source(file, data, locate(text))


def _text(path: Path) -> str:
    content = _content(path)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8: byte 0x{content[error.start]:02x} in line {line}"
        raise _failed("config.encoding", str(path), message, "UTF-8 text", line) from None
    if text.startswith("\ufeff"):
        raise _failed("config.encoding", str(path), "starts with a byte order mark", "plain UTF-8")
    return text


def _content(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise _failed("config.not_a_file", str(path), "is a directory", "a TOML file")
        if not path.is_file() and path.exists():
            raise _failed("config.not_a_file", str(path), "is no regular file", "a TOML file")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise _missing(path) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _failed("config.unreadable", str(path), f"cannot be read: {reason}") from None
    if len(content) > LARGEST:
        message = "is larger than 1 MiB; this is no configuration"
        raise _failed("config.too_large", str(path), message, "at most 1 MiB")
    return content


def _missing(path: Path) -> ConfigError:
    folder = path.parent
    there = sorted(each.name for each in folder.glob("*.toml")) if folder.is_dir() else []
    near = difflib.get_close_matches(path.name, there, 1)
    nearest = str(folder / near[0]) if near else ""
    allowed = f"in {folder}: " + ", ".join(there) if there else ""
    mistake = Mistake(
        "config.not_found", str(path), "does not exist", allowed=allowed, nearest=nearest
    )
    return ConfigError([mistake])


def _failed(
    code: str, file: str, message: str, allowed: str = "", line: int | None = None
) -> ConfigError:
    return ConfigError([Mistake(code, file, message, allowed=allowed, line=line)])


def _syntax(file: str, text: str, problem: str) -> Mistake:
    lines = text.split("\n")
    if place := re.search(r" \(at line (\d+), column (\d+)\)$", problem):
        line, column = int(place[1]), int(place[2])
    else:
        line, column = len(lines), len(lines[-1]) + 1
    message = re.sub(r" \(at .*\)$", "", problem)
    is_duplicate = re.search(r"Cannot (overwrite|declare|mutate|redefine|add)|Duplicate", message)
    shown = lines[line - 1].replace("\t", " ").rstrip() if line <= len(lines) else ""
    return Mistake(
        "config.duplicate" if is_duplicate else "config.syntax",
        file,
        f"{message}; a key or table stands twice" if is_duplicate else f"broken TOML: {message}",
        line=line,
        column=column,
        source=_hide_private_key(shown),
    )


def _hide_private_key(line: str) -> str:
    return "(not shown)" if "PRIVATE KEY" in line or len(line) > 200 else line
