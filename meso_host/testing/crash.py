"""Crash states: what a power cut at one instant would have left, examined without a boot.

The state partition is copied as the cut would have left it, while the machine goes on. Then
the official file system checker replays the journal, and the sessions' files are read out of
it by the official debugger: neither knows anything of ours. A boot takes a minute under
emulation, a crash state a second or two, so a campaign sees many instants for each cut.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from meso_host.errors import HostError
from meso_services.runtime import process

SESSIONS = "/meso/sessions/main"
# e2fsck: 0 is clean, 1 is repaired. With -p it repairs only what a journal leaves to be done.
REPAIRED = 1
# Debian keeps them where an ordinary user's PATH does not look.
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def examine(state: Path, session: str, acknowledged: Iterable[str]) -> str:
    """What is wrong with the state partition in the file `state`, a sentence; empty if nothing.

    `acknowledged` are entries of `session` that must be in it. The file is repaired in place.
    Raises HostError when the file system's programs are missing.
    """
    checked = _run("e2fsck", "-fp", state)
    if checked.status > REPAIRED:
        said = (checked.stdout + checked.stderr).strip().splitlines()
        return f"its file system needs a person to repair it: {said[-1] if said else 'no word'}"
    with tempfile.TemporaryDirectory(prefix="meso-") as place:
        _run("debugfs", "-R", f"rdump {SESSIONS} {place}", state)
        files = [*Path(place).rglob(f"*{session}*.jsonl")]
        if len(files) != 1:
            return f"the session {session} has {len(files)} files"
        found = _entries(files[0])
    lost = [entry for entry in acknowledged if entry not in found]
    return f"{len(lost)} acknowledged entries are gone, the first is {lost[0]}" if lost else ""


def _entries(file: Path) -> set[str]:
    """Ids of the whole lines; a torn last line is no entry."""
    found = set()
    for line in file.read_bytes().split(b"\n")[:-1]:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and isinstance(record.get("id"), str):
            found.add(record["id"])
    return found


def _run(*argv: str | Path) -> process.Result:
    words = [str(word) for word in argv]
    try:
        return process.run(words, timeout=300, check=False, env={"PATH": _PATH})
    except process.CommandError as error:
        if error.status != 127:
            raise
        raise HostError(
            "soak.no_e2fsprogs",
            f"`{words[0]}` is not on this computer.",
            remedy="As root: apt-get install e2fsprogs",
        ) from error
