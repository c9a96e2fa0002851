"""A record of another format inside an entry, so that it can be written again byte for byte.

An entry that was made of a foreign record has the key `foreign`:

- `format`, and `n`: the number of its line there (`file`: in which of several files);
- `record`: the record, if writing it again gives the same bytes; `shared` says that its `message`
  is the entry's own `message` and is not repeated. Else `raw` (text) or `base64` (other bytes);
- `end`: how the line ended, unless by a line feed;
- `part`: above 0 for a further entry that was made of the same record;
- `group`: records of one answer of a model, which stands in several.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from meso_services.transcripts.lines import Raw, Record, compact

FOREIGN = "foreign"
CLAUDE = "claude-code"
PI = "pi"
GOOSE = "goose"


def carry(name: str, raw: Raw, record: Record | None, *, message: object = None) -> dict[str, Any]:
    """What to put under `foreign`. `message` is what the entry has as its own message."""
    made: dict[str, Any] = {"format": name, "n": raw.number}
    body, end = _parted(raw.text)
    if end != b"\n":
        made["end"] = end.decode()
    if record is not None and compact(record)[:-1] == body:
        if message is not None and record.get("message") is message:
            return {**made, "record": {**record, "message": None}, "shared": True}
        return {**made, "record": record}
    try:
        return {**made, "raw": body.decode()}
    except UnicodeDecodeError:
        return {**made, "base64": base64.b64encode(body).decode()}


def foreign(entry: Record, name: str) -> dict[str, Any] | None:
    """What an entry carries of this format, if it is whole enough to be written again."""
    found = entry.get(FOREIGN)
    if not isinstance(found, dict) or found.get("format") != name:
        return None
    if not isinstance(found.get("n"), int) or not isinstance(found.get("file", ""), str):
        return None
    kept = (found.get("record"), found.get("raw"), found.get("base64"))
    known = isinstance(kept[0], dict) or any(isinstance(one, str) for one in kept[1:])
    return found if known or found.get("part") else None


def record_of(entry: Record, kept: dict[str, Any]) -> Record | None:
    """The carried record, if it is kept as one."""
    record = kept.get("record")
    if not isinstance(record, dict):
        return None
    return {**record, "message": entry.get("message")} if kept.get("shared") is True else record


def written(entry: Record, kept: dict[str, Any]) -> bytes:
    """The line as it was."""
    end = str(kept.get("end", "\n")).encode()
    record = record_of(entry, kept)
    if record is not None:
        return compact(record)[:-1] + end
    if isinstance(kept.get("raw"), str):
        return str(kept["raw"]).encode(errors="surrogatepass") + end
    try:
        return base64.b64decode(kept["base64"], validate=True) + end
    except (binascii.Error, KeyError, TypeError, ValueError):
        return end


def _parted(text: bytes) -> tuple[bytes, bytes]:
    for end in (b"\r\n", b"\n"):
        if text.endswith(end):
            return text[: -len(end)], end
    return text, b""
