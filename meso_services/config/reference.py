"""The reference of all keys in Markdown: the generated half of docs/configuration.md."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from meso_services.config.keys import KeyInfo, known_keys
from meso_services.config.schema import schema
from meso_services.runtime.settings import ServiceSettings

BEGIN = "<!-- begin: `meso config schema --write` writes what follows -->"
END = "<!-- end -->"
# What all services share is read off this one.
SAMPLE = ("services", "session_manager")


def reference() -> str:
    """One section per table, one entry per key, in the model's order."""
    keys = known_keys()
    common = [info for info in keys if info.path[:2] == SAMPLE and _is_shared(info)]
    sections = [_section("Top level", [info for info in keys if len(info.path) == 1])]
    inner = [info for info in keys if len(info.path) > 1 and not _is_shared(info)]
    for title, group in groupby(inner, key=_title):
        if title.startswith("`[services.") and common:
            sections.append(_section("`[services.NAME]`, for each service", common))
            common = []
        sections.append(_section(title, group))
    return "\n".join(sections)


def _is_shared(info: KeyInfo) -> bool:
    """Whether a service has the key as all services have it, with the same default."""
    if info.path[0] != "services" or len(info.path) != 3 or info.path[-1] == "memory_max":
        return False
    common = ServiceSettings.model_fields.get(info.path[-1])
    return common is not None and common.default == info.field.default


def _title(info: KeyInfo) -> str:
    table = ".".join(info.path[:-1])
    return f"`[[{table}]]`" if info.in_array else f"`[{table}]`"


def updated(document: str) -> str:
    """`document` with the part between the two marks replaced by the reference.

    Raises ValueError when the marks are not there.
    """
    before, _, rest = document.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError("the document has no place for the reference")
    return f"{before}{BEGIN}\n\n{reference()}\n{END}{after}"


def _section(title: str, keys: Iterable[KeyInfo]) -> str:
    return f"### {title}\n\n" + "".join(_entry(info) for info in keys)


def _entry(info: KeyInfo) -> str:
    said = [f"- **`{info.path[-1]}`** ({_kind(info)}; {info.scope}"]
    default = _default(info)
    said.append(f"; default `{default}`). " if default else "; must be given). ")
    said.append(info.description)
    if info.field.examples:
        said.append(f" For example `{json.dumps(info.field.examples[0], ensure_ascii=False)}`.")
    return "".join(said) + "\n"


def _default(info: KeyInfo) -> str:
    if info.field.is_required():
        return ""
    default = info.field.get_default(call_default_factory=True, validated_data={})
    if default is None:
        return "none"
    return json.dumps(list(default) if isinstance(default, tuple) else default)


def _kind(info: KeyInfo) -> str:
    shape = _shape(info)
    if "enum" in shape and len(shape["enum"]) > 12:
        return "one of many names"
    if choices := shape.get("enum") or ([shape["const"]] if "const" in shape else []):
        return "one of " + ", ".join(f"`{json.dumps(each)}`" for each in choices)
    kind = {
        "string": "size" if str(shape.get("pattern", "")).endswith("[KMGT]$") else "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "array": "list",
    }.get(str(shape.get("type")), "value")
    return kind + _bounds(shape)


def _bounds(shape: dict[str, Any]) -> str:
    low, high = shape.get("minimum"), shape.get("maximum")
    return f", {low} to {high}" if low is not None and high is not None else ""


def _shape(info: KeyInfo) -> dict[str, Any]:
    """The key's own part of the schema."""
    whole = schema()
    part: dict[str, Any] = whole
    for name in info.path:
        inner = part["properties"].get(name) if "properties" in part else None
        part = _resolved(
            whole, inner or part.get("additionalProperties") or part.get("items") or {}
        )
        if name != info.path[-1] and "items" in part:
            part = _resolved(whole, part["items"])
    return next((each for each in part.get("anyOf", []) if each.get("type") != "null"), part)


def _resolved(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    name = str(part.get("$ref", "")).removeprefix("#/$defs/")
    found: dict[str, Any] = whole["$defs"][name] if name else part
    return found
