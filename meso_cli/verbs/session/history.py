"""`meso session export --git`: a session as a git repository."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from meso_cli.output import Output

if TYPE_CHECKING:
    from meso_cli.git_history.export import Exported
    from meso_services.contract.client import Connection


@dataclass(frozen=True, slots=True)
class History:
    """Write a session's messages as commits below `place`."""

    session: str
    place: Path


def write(connection: Connection, wanted: History, output: Output) -> None:
    """Write it, or what is new since the last time. Raises CliError `export.*`, CallError."""
    from meso_cli.actions import service  # noqa: PLC0415 (help needs nothing installed)
    from meso_cli.git_history.export import asked, export  # noqa: PLC0415
    from meso_cli.progress import Progress  # noqa: PLC0415

    with ExitStack() as open_ones:
        executor = open_ones.enter_context(service("tool-executor"))
        source = asked(wanted.session, connection, executor)
        with Progress(1).step(f"exporting to {wanted.place}") as note:
            made = export(wanted.session, source, wanted.place, note)
    output.result(asdict(made), _told(made))


def _told(made: Exported) -> str:
    lines = [f"{made.place}: {made.new} new commits of {made.commits}, "
             f"branches {', '.join(made.branches) or 'none'}"]  # fmt: skip
    lines += [f"  tag {name}" for name in made.checkpoints]
    lines += [f"  branch {old} is called {new}" for old, new in made.renamed.items()]
    lines += [f"  what a branch had beyond is kept as tag {name}" for name in made.kept]
    lines += [f"! {what}" for what in made.left_out]
    return "\n".join(lines)
