"""A summary by a model, through the API proxy; offline, the deterministic extract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from meso_services.contract.client import NO_TLS
from meso_services.session_manager.entries import Line
from meso_services.session_manager.index.derive import CHARACTERS
from meso_services.session_manager.model.extract import extract

SECONDS = 90.0
MOST_INPUT = 60_000
MOST_OUTPUT = 2000
ORDER = (
    "Summarise this part of an agent's work for the agent that goes on with it. Say what was "
    "asked, what was decided and why, what was done to which files, what failed, and what is "
    "still open. Keep names, paths and figures exactly. Do not address anybody."
)


@dataclass(frozen=True)
class Summary:
    """The text, how it was made, and why not as asked."""

    text: str
    strategy: str
    fallback: str = ""


class Summariser:
    """Asks a model on the proxy's socket. `model` empty means the first that the proxy offers."""

    def __init__(self, socket: Path, model: str = "") -> None:
        self._socket = socket
        self._model = model

    def summary(self, lines: Sequence[Line], strategy: str, instructions: str = "") -> Summary:
        """A summary by this strategy (`extract` or `summarise`). Never fails: it falls back."""
        short = extract(lines)
        if strategy != "summarise":
            return Summary(short, "extract")
        try:
            text = self._asked(lines, instructions)
        except (httpx.HTTPError, ValueError, KeyError, IndexError, TypeError, OSError) as problem:
            reason = str(problem) or type(problem).__name__
            return Summary(short, "extract", f"no model could be asked: {reason}"[:300])
        return Summary(text, "summarise")

    def _asked(self, lines: Sequence[Line], instructions: str) -> str:
        told = extract(lines, MOST_INPUT)
        asked = f"{ORDER}\n\n{instructions}".strip()
        with httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self._socket), verify=NO_TLS),
            trust_env=False,
            base_url="http://meso",
            timeout=SECONDS,
        ) as client:
            body = {
                "model": self._model or self._first(client),
                "max_tokens": MOST_OUTPUT,
                "system": asked,
                "messages": [{"role": "user", "content": told}],
            }
            answer = client.post("/v1/messages", json=body)
            answer.raise_for_status()
            text = _text(answer.json())
        if not text:
            raise ValueError("the model said nothing")
        return text[: int(MOST_OUTPUT * CHARACTERS * 2)]

    def _first(self, client: httpx.Client) -> str:
        answer = client.get("/v1/models")
        answer.raise_for_status()
        return str(answer.json()["data"][0]["id"])


def _text(reply: dict[str, Any]) -> str:
    blocks = [b for b in reply["content"] if isinstance(b, dict) and b.get("type") == "text"]
    return "\n".join(str(block["text"]) for block in blocks).strip()
