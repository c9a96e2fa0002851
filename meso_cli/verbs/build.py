"""`meso build`: the disk image of an appliance."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from meso_cli.output import Output
from meso_cli.page import Page
from meso_cli.progress import Progress

PAGE = Page(
    text="""
Builds the disk image of the appliance NAME (configs/NAME.toml) and prints its
path, and nothing else, on standard output. Beside that file, disk.img, lie
image.json with its partitions and hashes, packages.json with what is in it, and
the packages' copyright notices. What is built already is not built again. A file
with a mistake builds nothing.
""",
    examples=(
        ("meso build x86-minipc", "build, and print where the image is"),
        ("meso build x86-minipc --check", "build every part again and compare bit for bit"),
        ('ls -lh "$(meso build x86-minipc)"', "use it in a shell line"),
    ),
)


@dataclass(frozen=True, slots=True)
class Build:
    """`check`: build twice and compare."""

    name: str
    check: bool


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("name", metavar="NAME", help="the appliance: configs/NAME.toml")
    parser.add_argument("--check", action="store_true", help="build again and compare the bits")


def parse(arguments: argparse.Namespace) -> Build:
    """The request."""
    return Build(arguments.name, arguments.check)


def look(request: Build) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """The appliance that must be there."""
    return (request.name,), ()


def run(request: Build, output: Output) -> int:
    """Build; prints the path of the image."""
    from meso_host import build  # noqa: PLC0415 (the host's part, not on the appliance)

    work = build.check if request.check else build.build
    what = f"image of {request.name}" + (", built twice" if request.check else "")
    with Progress(1).step(what) as note:
        directory = work(request.name, note)
    image, age = directory / "disk.img", build.age()
    if age:
        sys.stderr.write(f"meso: {age}\n")
    result = {"name": request.name, "image": str(image), "directory": str(directory)}
    result |= {"warning": age}
    output.result(result, str(image))
    return 0
