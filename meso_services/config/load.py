"""TOML file → `Appliance`, or every mistake in it at once."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from meso_services.config.appliance import Appliance
from meso_services.config.explain import explain, mistake
from meso_services.config.mistakes import ConfigError, Key
from meso_services.config.read import Source, parse_source, read_source


def load(path: Path) -> Appliance:
    """Read, parse and validate `path`. Raises ConfigError with all mistakes."""
    return validate(read_source(path))


def loads(text: str, file: str = "<text>") -> Appliance:
    """`load` for a text that is not in a file."""
    return validate(parse_source(text, file))


def validate(source: Source) -> Appliance:
    """Validate parsed TOML. Raises ConfigError with all mistakes, in the file's order."""
    foreign = list(_foreign(source.data, ()))
    mistakes = [mistake(source, "config.type", *each) for each in foreign]
    bad = {key for key, _, _ in foreign}
    try:
        appliance = Appliance.model_validate_json(json.dumps(_without(source.data, (), bad)))
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            if detail["loc"] not in bad:
                mistakes.append(explain(source, detail))
    else:
        if not mistakes:
            return appliance
    raise ConfigError(sorted(mistakes, key=lambda each: (each.line or 0, each.column or 0)))


def _foreign(value: Any, key: Key) -> Iterator[tuple[Key, str, str]]:
    """Values that TOML has and JSON has not."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _foreign(each, (*key, name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _foreign(each, (*key, index))
    elif isinstance(value, datetime.date | datetime.time):
        yield key, "is a date or time; no key takes one. Put text in quotes", str(value)
    elif isinstance(value, float) and not math.isfinite(value):
        yield key, "is not a finite number", str(value)


def _without(value: Any, key: Key, bad: set[Key]) -> Any:
    if isinstance(value, dict):
        return {
            name: _without(each, (*key, name), bad)
            for name, each in value.items()
            if (*key, name) not in bad
        }
    if isinstance(value, list):
        return [_without(each, (*key, i), bad) for i, each in enumerate(value)]
    return None if key in bad else value
