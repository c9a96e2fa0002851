"""The folder that a new operon starts from: it is sound, passes its tests, and says what to do."""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TEXT = """---
name: {name}
version: v1
description: One line for people who choose.
budget_tokens: 500
capabilities: []
triggers:
  words:
    - {word}
---
# {title}

Write for an agent in the middle of a task: instructions, in the order in which they
are needed. Say what to do when it does not work. Leave out what every model knows.

genome/reference/writing-operons.md explains every key.
"""
_TESTS = """# What must load this operon, and what must not. At least three of each; near misses
# are worth more than unrelated sentences. An entry is a text, or text, files, tools,
# tasks and now (local time).
loads:
  - "Tell me about {word}."
  - "{word}!"
  - text: "What do we know about {word}?"
does_not_load:
  - "Good morning!"
  - "What time is it?"
  - "Open the door."
"""


def make(folder: Path) -> None:
    """Make it. Raises ValueError for a name that is none, OSError where something is."""
    name = folder.name
    if not _NAME.fullmatch(name) or not 2 <= len(name) <= 64:
        raise ValueError(f"{name!r} is no name: lower-case letters, digits and single hyphens")
    folder.mkdir(parents=True)
    word = name.replace("-", " ") if all(len(p) > 1 for p in name.split("-")) else f"about {name}"
    known = {"name": name, "word": word, "title": name.replace("-", " ").capitalize()}
    (folder / "OPERON.md").write_text(_TEXT.format(**known))
    (folder / "tests.yaml").write_text(_TESTS.format(**known))
