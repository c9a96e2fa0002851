"""Auditors: programs or Python functions around an iteration.

Each gets the event as one JSON object (a program on its standard input) and may answer with
findings, one JSON object a line: `{"level": "note"|"alert"|"stop", "text": "...", "tell": false}`.
Findings go to the audit. Only one that says `"tell": true` also becomes a message to the mind, from
the source `auditor`. A stop ends the run before the next iteration.

Both kinds run in a process of their own, which ends after SECONDS and has MEMORY bytes: nothing
that an auditor does keeps a mind from its next iteration.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from meso_services.mind import auditor_process
from meso_services.mind.auditor_process import MOST_FINDINGS
from meso_services.mind.text import clean
from meso_services.runtime import bounded
from meso_services.runtime.errors import MesoError

SECONDS = 30.0
MEMORY = 256 * 1024 * 1024
MOST_OUTPUT = 1 << 20
_LEVELS = ("note", "alert", "stop")
_STOPPED = {
    "process.timeout": f"it did not end within {SECONDS:g} s and was stopped",
    "process.output_limit": f"it wrote more than {MOST_OUTPUT} bytes and was stopped",
}


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
            said = _answer(auditor, event)
            found += [_finding(auditor, one) for one in islice(said, MOST_FINDINGS)]
        except Exception as problem:
            # Whatever somebody else's code raises must not end the session.
            why = getattr(problem, "message", problem)
            found.append(Finding(auditor, "alert", f"the auditor failed: {why}"[:500]))
    return found


def _is_function(auditor: str) -> bool:
    module, _, name = auditor.partition(":")
    return name.isidentifier() and all(part.isidentifier() for part in module.split("."))


def _answer(auditor: str, event: dict[str, Any]) -> list[Any]:
    function = _is_function(auditor)
    words = ["function", auditor] if function else ["program", *shlex.split(auditor)]
    if words == ["program"]:
        raise MesoError("mind.auditor", "it names no program")
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8"}
    if function:
        # It finds its module where this process would.
        environment[auditor_process.PATHS] = json.dumps(sys.path)
    command = bounded.Command(
        [sys.executable, "-I", auditor_process.__file__, str(MEMORY), *words],
        environment,
        stdin=json.dumps(event, ensure_ascii=False).encode() + b"\n",
        seconds=SECONDS,
        output_bytes=MOST_OUTPUT,
    )
    try:
        done = bounded.run(command)
    except MesoError as problem:
        raise MesoError("mind.auditor", _STOPPED.get(problem.code, problem.message)) from None
    if done.code:
        raise MesoError("mind.auditor", _last_words(done.code, done.stderr))
    # Not splitlines: JSON may hold other ends of lines within a text.
    lines = done.stdout.decode(errors="replace").split("\n")
    return [_read(line) for line in lines if line.strip()]


def _last_words(code: int, complaint: bytes) -> str:
    """An exit status and the end of what it complained; of a traceback that is what it raised."""
    said = complaint.decode(errors="replace").strip().splitlines()
    how = f"signal {-code}" if code < 0 else f"exit status {code}"
    return f"{how}: {said[-1][-300:]}" if said else how


def _read(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        # One line that is not JSON does not take the others with it.
        return line


def _finding(auditor: str, said: Any) -> Finding:
    if not isinstance(said, dict) or said.get("level") not in _LEVELS:
        return Finding(auditor, "alert", f"a finding in no form that is known: {said!r}"[:500])
    text = clean(str(said.get("text", "")))[:4000]
    return Finding(auditor, said["level"], text, bool(said.get("tell", False)) and bool(text))
