"""Markdown with YAML front matter between two lines of `---`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from meso_services.files.strict_yaml import DocumentError, dump, load_mapping

_FENCE = "---"
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Document:
    """Front matter as plain data (None when the file has none) and the text below it."""

    head: Mapping[str, Any] | None
    body: str


def split(raw: bytes, where: str) -> Document:
    """Split a file into front matter and text.

    A file that does not start with `---` has no front matter. Raises
    DocumentError for what is not UTF-8, not closed, or not valid YAML.
    """
    text = decode(raw, where)
    lines = text.splitlines(keepends=True)
    if not lines or lines[0].rstrip() != _FENCE:
        return Document(None, text)
    for number, line in enumerate(lines[1:], start=1):
        if line.rstrip() == _FENCE:
            head = load_mapping("".join(lines[1:number]), where)
            return Document(head, "".join(lines[number + 1 :]).lstrip("\n"))
    raise DocumentError(where, "", "the front matter is not closed by a line `---`")


def join(head: Mapping[str, Any], body: str) -> bytes:
    """Write front matter and text as one file. The text ends in a line feed."""
    end = "" if body.endswith("\n") else "\n"
    return f"{_FENCE}\n{dump(dict(head))}{_FENCE}\n\n{body}{end}".encode()


def validate(model: type[M], data: Mapping[str, Any], where: str) -> M:
    """Check plain data against a model. Raises DocumentError naming the first bad key."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False)
        # A misspelt key is also a missing one; the misspelling is what helps.
        first = min(found, key=lambda e: e["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in first["loc"])
        raise DocumentError(where, key, _problem(first, model)) from None


def _problem(error: Any, model: type[BaseModel]) -> str:
    if error["type"] == "extra_forbidden" and len(error["loc"]) == 1:
        return f"unknown key; known are {', '.join(model.model_fields)}"
    if error["type"] == "missing":
        return "is missing"
    found = repr(error["input"])
    shown = found if len(found) <= 80 else found[:77] + "..."
    return f"{error['msg']}; found {shown}"


def decode(raw: bytes, where: str) -> str:
    """A file's text. Raises DocumentError naming the first byte that is not UTF-8."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(where, "", f"is not UTF-8 at byte {error.start}") from None
