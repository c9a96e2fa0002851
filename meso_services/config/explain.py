"""pydantic's account of a refusal → a `Mistake` in the operator's words."""

from __future__ import annotations

import difflib
import json
import re
from typing import Any, Literal, get_args, get_origin

from pydantic_core import ErrorDetails

from meso_services.config.keys import fields_of, known_keys, model_at
from meso_services.config.mistakes import Key, Mistake, write_key
from meso_services.config.read import Source

_SHOWN = 60
_HIDDEN = "(not shown)"
_KINDS = {
    "string": "text in quotes",
    "int": "a whole number",
    "bool": "true or false",
    "tuple": "a list in square brackets",
    "dict": "a table",
    "model": "a table",
    "float": "a number",
}
_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


def explain(source: Source, detail: ErrorDetails) -> Mistake:
    """One refusal, with place, finding, what is allowed, and the nearest valid one."""
    key: Key = detail["loc"]
    # pydantic marks a refused name of a table so.
    if key[-1] == "[key]":
        key = key[:-1]
        detail["loc"] = key
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown(source, key)
    if kind == "missing":
        allowed = _allowed_by_field(key)
        return mistake(source, "config.missing_key", key, "is missing", allowed=allowed)
    if kind == "private_key":
        return mistake(source, "config.private_key", key, detail["msg"])
    if what := _KINDS.get(kind.removesuffix("_type")):
        return mistake(source, "config.type", key, f"is not {what}", detail["input"], what)
    return _wrong_value(source, detail)


def _wrong_value(source: Source, detail: ErrorDetails) -> Mistake:
    context = detail.get("ctx", {})
    if detail["type"] == "literal_error":
        choices = _choices(context["expected"])
        return _value(source, detail, "is none of the values allowed", ", ".join(choices), choices)
    if "allowed" in context:
        return _value(source, detail, detail["msg"], context["allowed"], context.get("names", ()))
    return _value(source, detail, *_by_constraint(detail))


def mistake(  # noqa: PLR0913, PLR0917 - it gathers the parts of one message
    source: Source,
    code: str,
    key: Key,
    message: str,
    found: Any = None,
    allowed: str = "",
    nearest: str = "",
) -> Mistake:
    """A `Mistake` at the place of `key`, or of the nearest table around it."""
    inner = key
    while inner and inner not in source.places:
        inner = inner[:-1]
    line, column = source.places.get(inner, (None, None))
    shown = "" if found is None else _show_at(key, found)
    return Mistake(
        code, source.file, message, write_key(key), shown, allowed, nearest, line, column
    )


def show(value: Any) -> str:
    """A value as it may be printed: short, and without what must stay secret."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    if "PRIVATE" in text.upper():
        return _HIDDEN
    text = re.sub(r"://[^/@\s]*@", "://***@", text)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _show_at(key: Key, value: Any) -> str:
    """Whoever mistakes a credential's name for its value has pasted the secret here."""
    return _HIDDEN if "credential" in key else show(value)


def _value(
    source: Source, detail: ErrorDetails, message: str, allowed: str, choices: Any = ()
) -> Mistake:
    found = detail["input"]
    plain = {str(each).strip('"').lower(): str(each) for each in choices}
    near = difflib.get_close_matches(str(found).lower(), plain, 1)
    nearest = plain[near[0]] if near else ""
    return mistake(source, "config.value", detail["loc"], message, found, allowed, nearest)


def _unknown(source: Source, key: Key) -> Mistake:
    name = str(key[-1])
    model = model_at(key[:-1])
    here = list(fields_of(model)) if model else []
    near = difflib.get_close_matches(name, here, 1)
    elsewhere = [info.name for info in known_keys() if info.path[-1] == name]
    nearest = write_key((*key[:-1], near[0])) if near else " or ".join(elsewhere[:3])
    table = f"in [{write_key(key[:-1])}]: " if len(key) > 1 else "at the top level: "
    return mistake(
        source,
        "config.unknown_key",
        key,
        "is an unknown key",
        allowed=table + ", ".join(here),
        nearest=nearest,
    )


def _choices(expected: str) -> list[str]:
    """pydantic's `'a', 'b' or 'c'` → the values as TOML writes them."""
    return [each.strip().replace("'", '"') for each in expected.replace(" or ", ", ").split(", ")]


def _by_constraint(detail: ErrorDetails) -> tuple[str, str]:
    key, context = detail["loc"], detail.get("ctx", {})
    bounds = [f"{words} {context[name]}" for name, words in _BOUNDS.items() if name in context]
    if bounds:
        return "is out of range", _allowed_by_field(key) or bounds[0]
    if "pattern" in context:
        return "has the wrong form", _allowed_by_field(key) or f"text like {context['pattern']}"
    return detail["msg"].lower(), _allowed_by_field(key)


def _allowed_by_field(key: Key) -> str:
    """What the field itself declares: its bounds, its form, its examples."""
    inner = tuple(part for part in key if not isinstance(part, int))
    model = model_at(inner[:-1])
    field = fields_of(model).get(str(inner[-1])) if model and inner else None
    if field is None:
        return ""
    if get_origin(field.annotation) is Literal:
        return ", ".join(map(show, get_args(field.annotation)))
    said: list[str] = []
    for constraint in field.metadata:
        said += [
            f"{words} {getattr(constraint, name)}"
            for name, words in _BOUNDS.items()
            if getattr(constraint, name, None) is not None
        ]
        if pattern := getattr(constraint, "pattern", None):
            said.append(f"text like {pattern}")
    if field.examples:
        said.append(f"for example {show(field.examples[0])}")
    return ", ".join(said)
