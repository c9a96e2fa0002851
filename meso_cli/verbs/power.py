"""What `meso reboot` and `meso poweroff` share: the question, and asking the root unit."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from meso_cli.output import CliError, Output

SOCKET = Path("run/meso/power.sock")
SECONDS = 60.0
WORDS = {
    "reboot": "restarts: it is away for a minute or so",
    "poweroff": "powers off: somebody has to switch it on again, at the machine or its host",
}


@dataclass(frozen=True, slots=True)
class Request:
    """`yes` answers the question, `dry_run` only asks whether it would be done."""

    action: str
    yes: bool
    dry_run: bool


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--yes", "-y", action="store_true", help="do not ask")
    parser.add_argument(
        "--dry-run", action="store_true", help="say whether it would be done, and do nothing"
    )


def run(request: Request, output: Output, root: Path = Path("/")) -> int:
    """Ask the operator, then the machine. Raises CliError."""
    name = os.uname().nodename
    if not (request.yes or request.dry_run):
        _confirm(name, request.action)
    said = _ask(root / SOCKET, {"action": request.action, "check": request.dry_run})
    verb = "restarting" if request.action == "reboot" else "powering off"
    would = f"{name} would do it: it {WORDS[request.action]}."
    output.result(said | {"hostname": name}, would if request.dry_run else f"{name} is {verb}.")
    return 0


def _confirm(name: str, action: str) -> None:
    if not sys.stdin.isatty():
        raise CliError(
            "power.unconfirmed",
            f"{name} was not told twice, and there is no terminal to ask on.",
            hint=f"`meso {action} --yes` does it without asking.",
            status=2,
        )
    sys.stderr.write(f"{name} {WORDS[action]}. Go on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CliError("power.cancelled", "nothing was done.")


def _ask(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(SECONDS)
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            answer = json.loads(connection.makefile("rb").readline())
    except (OSError, ValueError) as error:
        raise CliError(
            "power.unreachable",
            f"{path} does not answer: {error}",
            hint="Only members of the group `meso` may ask: log in as `operator`.",
        ) from error
    if problem := answer.get("error"):
        raise CliError(problem["code"], problem["message"], hint=problem["hint"])
    return dict(answer)
