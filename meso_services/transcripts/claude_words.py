"""What an entry says, as the `message` of a record of Claude Code's."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from meso_services.transcripts.lines import Record

Block = dict[str, Any]
_NOT_IN_IDS = re.compile("[^A-Za-z0-9_-]")


def message(entry: Record, ident: str, role: str, content: list[Block], *, last: bool) -> Record:
    """The message of one record; only the `last` one of an answer says why it stopped."""
    if role == "user":
        texts = [block.get("text") for block in content]
        plain = len(content) == 1 and content[0].get("type") == "text"
        return {"role": "user", "content": texts[0] if plain else content}
    before = entry.get("message")
    said: Record = before if isinstance(before, dict) else {}
    calls = any(block.get("type") == "tool_use" for block in content)
    return {
        "id": f"msg_{hashlib.sha256(ident.encode(errors='replace')).hexdigest()[:24]}",
        "type": "message",
        "role": "assistant",
        "model": str(said.get("model", "unknown")),
        "content": content,
        "stop_reason": ("tool_use" if calls else "end_turn") if last else None,
        "stop_sequence": None,
        "usage": _usage(said.get("usage")),
    }


def _usage(found: object) -> Record:
    """In the API's words, of Pi's or its own."""
    given = found if isinstance(found, dict) else {}
    pairs = (
        ("input_tokens", "input"),
        ("cache_creation_input_tokens", "cacheWrite"),
        ("cache_read_input_tokens", "cacheRead"),
        ("output_tokens", "output"),
    )
    counts = {api: given.get(api, given.get(pi, 0)) for api, pi in pairs}
    return {name: value if isinstance(value, int) else 0 for name, value in counts.items()}


def with_good_ids(block: Block) -> Block:
    """A call or result under an id that Anthropic's API takes; other providers' are wilder."""
    key = {"tool_use": "id", "tool_result": "tool_use_id"}.get(str(block.get("type")))
    return block if key is None else {**block, key: _NOT_IN_IDS.sub("_", str(block[key])) or "_"}
