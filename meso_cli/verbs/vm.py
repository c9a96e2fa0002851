"""`meso vm`: an appliance in a virtual machine."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from meso_cli.output import Output
from meso_cli.page import Page

PAGE = Page(
    text="""
Builds the image of the appliance NAME (configs/NAME.toml), boots it in QEMU,
waits until all of its services are healthy, and says how to log in. QEMU uses
/dev/kvm where a test guest proves that it works, and software emulation where
not; that is slower, and everything still works.

The machine lives in .meso/vm/NAME and goes on when this command has ended. What
it writes is kept until --fresh. A machine that runs already is left as it is.
""",
    examples=(
        ("meso vm x86-minipc", "build, boot, wait until healthy, say how to log in"),
        ("meso vm x86-minipc --console", "its serial console"),
        ("meso vm x86-minipc --stop", "power it off; its state is kept"),
        ("meso vm x86-minipc --fresh", "throw its state away and start from the image"),
        ("meso status --host vm:x86-minipc", "ask the running machine for its status"),
    ),
)


@dataclass(frozen=True, slots=True)
class Vm:
    """`image` is the directory of a built image to use instead of building one."""

    name: str
    action: str
    fresh: bool
    wait: bool
    image: Path | None


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("name", metavar="NAME", help="the appliance: configs/NAME.toml")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--fresh", action="store_true", help="start anew, without the old state")
    what.add_argument("--stop", action="store_true", help="power off; the state is kept")
    what.add_argument("--console", action="store_true", help="show the serial console")
    parser.add_argument("--no-wait", action="store_true", help="return as soon as QEMU runs")
    parser.add_argument("--image", type=Path, metavar="DIR", help="use this image, build none")


def parse(arguments: argparse.Namespace) -> Vm:
    """The request."""
    action = "stop" if arguments.stop else "console" if arguments.console else "start"
    return Vm(arguments.name, action, arguments.fresh, not arguments.no_wait, arguments.image)


def look(request: Vm) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """The appliance that must be there."""
    builds = request.action == "start" and request.image is None
    return ((request.name,) if builds else ()), ()


def run(request: Vm, output: Output) -> int:
    """Start, stop or show the machine."""
    from meso_host.vm import verb  # noqa: PLC0415 (the host's part, not on the appliance)

    if request.action == "console":
        verb.console(request.name)
    elif request.action == "stop":
        stopped = verb.stop(request.name)
        text = f"{request.name} {'is off' if stopped else 'was not running'}"
        output.result({"name": request.name, "stopped": stopped}, text)
    else:
        ready = verb.start(request.name, _builder(request), fresh=request.fresh, wait=request.wait)
        output.result(ready.document(), ready.text())
    return 0


def _builder(request: Vm) -> Callable[[Callable[[str], None]], Path]:
    from meso_host.build import build  # noqa: PLC0415

    def made(note: Callable[[str], None]) -> Path:
        return request.image.resolve() if request.image else build(request.name, note)

    return made
