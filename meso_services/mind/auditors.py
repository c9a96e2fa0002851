"""Auditors: programs or Python functions around an iteration.

Each gets the event as one JSON object (a program on its standard input) and may answer with
findings, one JSON object a line: `{"level": "note"|"alert"|"stop", "text": "...", "tell": false}`.
Findings go to the audit. Only one that says `"tell": true` also becomes a message to the mind, from
the source `auditor`. A stop ends the run before the next iteration.
"""

from __future__ import annotations

import importlib
import json
import os
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from meso_services.mind.text import clean
from meso_services.runtime import bounded
from meso_services.runtime.errors import MesoError

SECONDS = 30.0
MOST_FINDINGS = 32
_LEVELS = ("note", "alert", "stop")


@dataclass(frozen=True, slots=True)
class Finding:
    """What an auditor said."""

    auditor: str
    level: Literal["note", "alert", "stop"]
    text: str
    tell: bool = False

    def line(self, when: str) -> dict[str, Any]:
        """As it stands in the audit."""
        return {
            "auditor": self.auditor,
            "when": when,
            "level": self.level,
            "text": self.text,
            "told": self.tell,
        }


def ask(auditors: Iterable[str], event: dict[str, Any]) -> list[Finding]:
    """All findings about an event. An auditor that fails is a finding of its own, not an error."""
    found: list[Finding] = []
    for auditor in auditors:
        try:
            said = _function(auditor)(event) if _is_function(auditor) else _program(auditor, event)
            # A generator of somebody else's may never end.
            found += [_finding(auditor, one) for one in islice(said or (), MOST_FINDINGS)]
        except Exception as problem:
            # Whatever somebody else's code raises must not end the session.
            found.append(Finding(auditor, "alert", f"the auditor failed: {problem}"[:500]))
    return found


def _is_function(auditor: str) -> bool:
    module, _, name = auditor.partition(":")
    return name.isidentifier() and all(part.isidentifier() for part in module.split("."))


def _function(auditor: str) -> Callable[[dict[str, Any]], Iterable[Any]]:
    module, _, name = auditor.partition(":")
    found: Callable[[dict[str, Any]], Iterable[Any]] = getattr(
        importlib.import_module(module), name
    )
    return found


def _program(auditor: str, event: dict[str, Any]) -> list[Any]:
    done = bounded.run(
        bounded.Command(
            shlex.split(auditor),
            {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8"},
            stdin=json.dumps(event, ensure_ascii=False).encode() + b"\n",
            seconds=SECONDS,
            output_bytes=1 << 20,
        )
    )
    if done.code:
        said = done.stderr.decode(errors="replace").strip()[-300:]
        raise MesoError("mind.auditor", f"exit status {done.code}: {said}")
    return [json.loads(line) for line in done.stdout.decode().splitlines() if line.strip()]


def _finding(auditor: str, said: Any) -> Finding:
    if not isinstance(said, dict) or said.get("level") not in _LEVELS:
        return Finding(auditor, "alert", f"a finding in no form that is known: {said!r}"[:500])
    text = clean(str(said.get("text", "")))[:4000]
    return Finding(auditor, said["level"], text, bool(said.get("tell", False)) and bool(text))
