"""`meso status`: how the appliance is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from meso_cli.output import Output
from meso_cli.page import Page

EVERY_SECONDS = 10.0
HOME, REST_OF_LINE, REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"

PAGE = Page(
    text="""
Version, slot, generation, the six services with their health, how the last boot
ended and why, addresses, memory and disk, and what needs attention. Any user in
the group `meso` may ask. The exit status is 0 when the appliance is healthy
(degraded services included) and 1 when it is not.
""",
    examples=(
        ("meso status", "the whole page"),
        ("meso status --brief", "a few lines, as shown at login"),
        ("meso status --json", "for programs"),
        ("meso status --watch", "stay and refresh, as on the console"),
    ),
)


@dataclass(frozen=True, slots=True)
class Request:
    """How to show it."""

    brief: bool
    watch: bool


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--brief", action="store_true", help="only a few lines")
    group.add_argument("--watch", action="store_true", help="refresh every 10 s, until Ctrl-C")


def parse(arguments: argparse.Namespace) -> Request:
    """The request."""
    return Request(arguments.brief, arguments.watch)


def run(request: Request, output: Output) -> int:
    """Show the status; 0 when the appliance is healthy, 1 when it is not."""
    from meso_cli.status import collect, view  # noqa: PLC0415 (help needs none of it)
    from meso_services.boot.machine import Machine  # noqa: PLC0415

    machine = Machine()
    if request.watch:
        return _watch(lambda: view.full(collect.collect(machine)), machine.socket("tool-executor"))
    status = collect.collect(machine)
    output.result(asdict(status), view.brief(status) if request.brief else view.full(status))
    return 0 if status.healthy else 1


def _watch(page: Callable[[], str], executor: Path) -> int:
    """Draw over the last page instead of clearing first, so that nothing flickers.

    What waits for an operator is shown below, and answered, where this user may.
    """
    from meso_cli.status.desk import Desk, keyboard  # noqa: PLC0415

    write = sys.stdout.write
    write(HIDE_CURSOR + HOME + REST_OF_SCREEN)
    try:
        with keyboard(sys.stdin) as keys:
            desk = Desk(executor, keys)
            while True:
                lines = f"{page()}{desk.page()}".split("\n")
                text = f"{REST_OF_LINE}\r\n".join(lines)
                write(HOME + text + REST_OF_LINE + REST_OF_SCREEN)
                sys.stdout.flush()
                desk.read(EVERY_SECONDS)
    except KeyboardInterrupt:
        return 0
    finally:
        write(SHOW_CURSOR)
        sys.stdout.flush()
