"""Which agent wrote a file."""

from __future__ import annotations

from itertools import islice
from typing import BinaryIO

from meso_services.transcripts.claude_scan import CHAINED
from meso_services.transcripts.lines import parse, read
from meso_services.transcripts.pi_import import unknown

MOST_LINES = 200


def recognise(file: BinaryIO) -> str:
    """`pi`, `claude-code` or `goose`. Raises `import.unknown_format`."""
    file.seek(0)
    beginning = file.read(4096).lstrip()
    if not beginning:
        raise unknown("the file is empty")
    if not beginning.startswith(b"{"):
        raise unknown("it does not begin with a JSON object")
    for raw in islice(read(file), MOST_LINES):
        record = parse(raw.text)
        if record is None:
            continue
        if raw.number == 1 and record.get("type") == "session":
            return "pi"
        if isinstance(record.get("conversation"), list):
            return "goose"
        if record.get("type") in CHAINED and isinstance(record.get("uuid"), str):
            return "claude-code"
        if isinstance(record.get("sessionId"), str) and isinstance(record.get("type"), str):
            return "claude-code"
    if b'"conversation"' in beginning or b'"working_dir"' in beginning:
        # JSON over several lines: only Goose writes its session so.
        return "goose"
    raise unknown("its lines are those of no agent that is known")
