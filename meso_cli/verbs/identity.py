"""`meso identity`: who the agent on this appliance is."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from meso_cli.actions import Action, add, nothing, service
from meso_cli.output import Output
from meso_cli.page import Page

PAGE = Page(
    text="""
The identity is the genome, the zooids and the operons of the current generation.
Its hash changes when any byte of them changes, and only then.
""",
    examples=(("meso identity show", "the hash, its parts, and each version"),),
)
ACTIONS = (Action("show", "the identity hash and what it is made of", nothing),)


@dataclass(frozen=True, slots=True)
class Show:
    """The identity."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add(parser, ACTIONS)


def parse(_arguments: argparse.Namespace) -> Show:
    """The request."""
    return Show()


def run(_request: Show, output: Output) -> int:
    """Call the operon loader."""
    from meso_services.contract.identity import IdentityReply  # noqa: PLC0415

    with service("operon-loader") as connection:
        identity = connection.get("/v1/identity", IdentityReply)
    rows = [("identity", identity.hash), ("generation", identity.generation)]
    rows += [(name, value) for name, value in identity.parts.model_dump().items()]
    rows += [(f"zooid {n}", v) for n, v in sorted(identity.zooid_versions.items())]
    rows += [(f"operon {n}", v) for n, v in sorted(identity.operon_versions.items())]
    width = max(len(name) for name, _ in rows)
    text = "\n".join(f"{name.ljust(width)}  {value}" for name, value in rows)
    output.result(identity.model_dump(mode="json"), text)
    return 0
