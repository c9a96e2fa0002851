"""Sizes as people write them: a whole number and a unit, `512M`.

Units are powers of 1024. In memory a size is an `int` of bytes; in TOML and JSON
it is the string, so that nobody has to guess the unit of a bare number.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
PATTERN = r"^[1-9][0-9]{0,8}[KMGT]$"
ALLOWED = "a whole number and one of K, M, G, T, such as 512M"


def parse_size(text: Any) -> int:
    """Bytes of a size such as `512M`. Raises PydanticCustomError."""
    if not isinstance(text, str) or not re.fullmatch(PATTERN, text):
        raise PydanticCustomError("size", "is not a size", {"allowed": ALLOWED})
    return int(text[:-1]) * UNITS[text[-1]]


def format_size(size: int) -> str:
    """The shortest exact way to write a size; `size` is a multiple of 1024."""
    unit = max((name for name in UNITS if size % UNITS[name] == 0), key=lambda name: UNITS[name])
    return f"{size // UNITS[unit]}{unit}"


Size = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(format_size, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PATTERN}),
]
