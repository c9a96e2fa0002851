"""Trigger globs over file names, compiled for the same automaton as patterns.

`*` and `?` stay within one name, `**` crosses directories, `[abc]` is one of them.
A glob without `/` is held against the last name of a path, one with `/` against
the end of the whole path. Case never counts.
"""

from __future__ import annotations

import re

from meso_services.genome.pattern import PatternError, Program, compile_pattern

_PIECE = re.compile(r"\*\*/?|\*|\?|\[[^\]]+\]|.", re.DOTALL)
_WILD = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def compile_glob(glob: str) -> Program:
    """The program of one glob. Raises PatternError."""
    if glob.strip("*/?") == "" or "\n" in glob:
        raise PatternError("matches every file; name an ending, such as `*.py`")
    body = "".join(_piece(piece) for piece in _PIECE.findall(glob.removeprefix("/")))
    return compile_pattern(f"(^|/){body}$")


def _piece(piece: str) -> str:
    if piece in _WILD:
        return _WILD[piece]
    if piece.startswith("[") and len(piece) > 1:
        return "[" + piece[1:-1].replace("\\", "\\\\").replace("^", "\\^") + "]"
    return piece if piece.isalnum() or piece in "_/-" else f"\\{piece}"
