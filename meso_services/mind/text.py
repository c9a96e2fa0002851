"""Text as it may stand in a pool: printable, with line feeds, whole characters, no outer space."""

from __future__ import annotations

import re

# YAML and Python disagree on what ends a line; only the line feed is left.
_BREAKS = re.compile("\r\n?|[\x85\u2028\u2029\x0b\x0c]")
# What YAML does not allow in a file, and what turns the direction of a terminal's text.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)
_HALVES = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """`text` with one kind of line end and no control characters, stripped of outer blank."""
    plain = _FORBIDDEN.sub("", _BREAKS.sub("\n", text))
    lines = (line.rstrip() for line in _HALVES.sub("\ufffd", plain).split("\n"))
    return "\n".join(lines).strip("\n").rstrip()
