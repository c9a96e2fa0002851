"""`meso sbom`: what is in an image."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

from meso_cli.output import Output
from meso_cli.page import Page
from meso_cli.progress import Progress

PAGE = Page(
    text="""
Prints an SPDX 2.3 document (JSON) of the image of the appliance NAME: every
Debian and Python package in it with version, SHA-256, purl, and the licences
that the package itself declares. The image is built if it is not there. Equal
images give equal documents.
""",
    examples=(
        ("meso sbom x86-minipc > x86-minipc.spdx.json", "keep it beside the image"),
        ('meso sbom vps | grep -c \'"SPDXID": "SPDXRef-deb-\'', "count the Debian packages"),
    ),
)


@dataclass(frozen=True, slots=True)
class Sbom:
    """`name` is the appliance's."""

    name: str


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("name", metavar="NAME", help="the appliance: configs/NAME.toml")


def parse(arguments: argparse.Namespace) -> Sbom:
    """The request."""
    return Sbom(arguments.name)


def look(request: Sbom) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """The appliance that must be there."""
    return (request.name,), ()


def run(request: Sbom, output: Output) -> int:
    """Build if need be, and print the document."""
    from meso_host import build, sbom  # noqa: PLC0415 (the host's part, not on the appliance)
    from meso_host.lock.model import Meta, load  # noqa: PLC0415

    with Progress(1).step(f"image of {request.name}") as note:
        image = build.build(request.name, note)
    meta = load(build.locks(), "meta", Meta)
    document = sbom.document(image, epoch=meta.epoch, suite=meta.suite)
    output.result(document, json.dumps(document, indent=1, ensure_ascii=False))
    return 0
