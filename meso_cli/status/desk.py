"""Answers what waits for an operator, below the status that stays on the screen.

A whole line is typed, with the question's id in it: neither a hand nor a cat on the keyboard
allows anything by chance. Whether this user may answer is the tool executor's to say.
"""

from __future__ import annotations

import contextlib
import os
import select
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from meso_cli.terminal import printable
from meso_services.boot import client

ANSWER_SECONDS = 3.0
_MOST_SHOWN = 3
_MOST_TYPED = 60
_MOST_OF_LINE = 400
_ENTER, _ERASE, _KILL = b"\r\n", b"\x7f\b", b"\x15"


@contextlib.contextmanager
def keyboard(source: TextIO) -> Iterator[int | None]:
    """The descriptor from which keys come one by one; None where there is no terminal."""
    if not source.isatty():
        yield None
        return
    descriptor = source.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSANOW, before)


class Desk:
    """What waits, what is being typed, and what became of the last line."""

    def __init__(self, executor: Path, keys: int | None) -> None:
        self._executor, self._keys = executor, keys
        self._typed = self._said = ""
        # The questions that were shown to the last character.
        self._seen: frozenset[str] = frozenset()

    def page(self) -> str:
        """The lines below the status; empty where nothing waits or this user may not answer."""
        waiting = self._waiting() if self._keys is not None else []
        shown = waiting[:_MOST_SHOWN]
        self._seen = frozenset(
            str(one["id"]) for one in shown if len(printable(one["summary"])) <= _MOST_OF_LINE - 8
        )
        if not waiting:
            self._typed = ""
            return f"\n{self._said}" if self._said else ""
        more = len(waiting) - _MOST_SHOWN
        return "\n".join(
            [
                "",
                *(line for one in shown for line in _shown(one)),
                *([f"and {more} more"] if more > 0 else []),
                self._said or "Type `allow ID` or `deny ID`, then Enter.",
                f"> {self._typed}",
            ]
        )

    def _waiting(self) -> list[dict[str, Any]]:
        try:
            status, body = client.get(self._executor, "/v1/approvals", ANSWER_SECONDS)
            return list(body["approvals"]) if status == 200 else []
        except (client.UnreachableError, KeyError, TypeError):
            return []

    def read(self, seconds: float) -> None:
        """Wait that long for keys; return when the page is to be drawn again."""
        if self._keys is None:
            time.sleep(seconds)
            return
        if not select.select([self._keys], [], [], seconds)[0]:
            self._said = ""
            return
        typed = os.read(self._keys, 256)
        if not typed:  # the terminal hung up
            self._keys = None
        for key in typed:
            self._key(key)

    def _key(self, key: int) -> None:
        if key in _ENTER:
            words, self._typed = self._typed.split(), ""
            self._said = self._answered(words) if words else ""
        elif key in _ERASE:
            self._typed = self._typed[:-1]
        elif key in _KILL:
            self._typed = ""
        elif 0x20 <= key < 0x7F and len(self._typed) < _MOST_TYPED:
            self._typed += chr(key)

    def _answered(self, words: list[str]) -> str:
        if len(words) != 2 or words[0] not in ("allow", "deny"):
            return "That is neither `allow ID` nor `deny ID`."
        from meso_services.contract.client import CallError, Connection  # noqa: PLC0415
        from meso_services.contract.tools_client import ToolExecutor  # noqa: PLC0415
        from meso_services.contract.tools_policy import Answer  # noqa: PLC0415

        verb, name = words
        if verb == "allow" and name not in self._seen:
            return f"{name} is not shown here as a whole; `meso approve` on a login shows it."
        answer = Answer(decision="allow" if verb == "allow" else "deny")
        try:
            with Connection("tool-executor", self._executor.parent) as connection:
                ToolExecutor(connection).answer(name, answer)
        except CallError as error:
            return f"{name}: {printable(error.info.message)}"
        return f"{name}: {'allowed' if verb == 'allow' else 'denied'}"


def _shown(one: dict[str, Any]) -> list[str]:
    """A question in three lines, each cut to what a screen holds."""
    where = f"{one['tool']} in {one['session']}/{one['branch']}, until {one['expires_at']}"
    about = f"{one['reason']} (rule {one['rule']})"
    lines = [f"{one['id']}  {where}", f"        {one['summary']}", f"        {about}"]
    if one.get("advice"):
        lines.append(f"        security instance: {one['advice']}")
    return [_cut(printable(line)) for line in lines]


def _cut(line: str) -> str:
    most = _MOST_OF_LINE
    return line if len(line) <= most else f"{line[:most]} [{len(line) - most} more characters]"
