"""What a platform's hooks ask an appliance: the operons that a prompt calls for."""

from __future__ import annotations

import json
from typing import Any

from meso_cli.output import CliError
from meso_services.contract import identity as wire
from meso_services.contract.client import Connection

MOST_CHARACTERS = 200_000


def claude_code(given: str, connection: Connection) -> dict[str, Any] | None:
    """Answer Claude Code's UserPromptSubmit; None when no operon loads."""
    try:
        prompt = str(json.loads(given)["prompt"])[:MOST_CHARACTERS]
    except (ValueError, KeyError, TypeError) as problem:
        raise CliError(
            "adapter.hook", f"standard input is no hook of Claude Code: {problem!r}"
        ) from None
    wanted = wire.MatchRequest(text=prompt)
    match = connection.post("/v1/operons/match", wanted, wire.MatchReply, once=True)
    if not match.loaded:
        return None
    texts = [
        connection.get(f"/v1/operons/{operon.name}", wire.Operon).text.strip()
        for operon in match.loaded
    ]
    return {
        "hookSpecificOutput": {
            "hookEventName": "UserPromptSubmit",
            "additionalContext": "\n\n".join(texts),
        }
    }
