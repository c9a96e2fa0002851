"""The verbs of `meso`, one row each. To add a verb: write its module, add its row.

A verb's module has
  PAGE       its help page (`meso_cli.page.Page`)
  configure  adds its arguments to a parser
  parse      turns the parsed arguments into its request, a frozen dataclass
  run        does it: `run(request, output)` returns the exit status
  look       may be there: which appliances (names, files) a request is about,
             so that they are looked at before anything is installed for it
It imports only the standard library at its top, so that help needs nothing
installed; what `run` needs it imports when it runs.
"""

from __future__ import annotations

import argparse
import importlib
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, cast

from meso_cli.output import Output
from meso_cli.page import Page


class Where(Enum):
    """On which machine a verb does its work."""

    HOST = "host"  # the operator's computer, with the project's tree
    APPLIANCE = "appliance"  # the appliance; from elsewhere with --host
    BOTH = "both"  # wherever it is called; with --host on that appliance


class VerbModule(Protocol):
    """What the module of a verb offers."""

    PAGE: Page

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the verb's arguments."""

    def parse(self, arguments: argparse.Namespace) -> Any:
        """The verb's request."""

    def run(self, request: Any, output: Output) -> int:
        """Do it; the exit status."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One row. `needs` names what the launcher must find first (`meso_host.setup.needs`).

    `asks`: it asks on the terminal, so over ssh it gets one too.
    """

    name: str
    summary: str
    where: Where
    module: str
    needs: tuple[str, ...] = ()
    # The verb itself says what --host means: its work is done here, about an appliance.
    own_host: bool = False
    asks: bool = False

    def load(self) -> VerbModule:
        """The verb's module, imported now."""
        return cast(VerbModule, importlib.import_module(self.module))


VERBS: tuple[Verb, ...] = (
    Verb(
        "build",
        "build the disk image of an appliance",
        Where.HOST,
        "meso_cli.verbs.build",
        ("runtime", "nix"),
    ),
    Verb(
        "vm",
        "run an appliance in a virtual machine",
        Where.HOST,
        "meso_cli.verbs.vm",
        ("runtime", "nix", "qemu", "ssh"),
    ),
    Verb(
        "test",
        "run the test suite, the VM tests included",
        Where.HOST,
        "meso_cli.verbs.test",
        (
            "dev",
            "nix",
            "qemu-x86_64",
            "qemu-aarch64",
            "ssh",
            "bubblewrap",
            "nftables",
            "e2fsprogs",
            "git",
            "npm",
        ),
    ),
    Verb(
        "config",
        "check, compare and render an appliance's file",
        Where.HOST,
        "meso_cli.verbs.config",
        needs=("runtime",),
    ),
    Verb(
        "protocol",
        "the page of the whole protocol",
        Where.HOST,
        "meso_cli.verbs.protocol",
        needs=("runtime",),
    ),
    Verb("setup", "bring what this computer lacks", Where.HOST, "meso_cli.verbs.setup"),
    Verb(
        "lock",
        "lock the packages that images are made of",
        Where.HOST,
        "meso_cli.verbs.lock",
        ("dev", "nix"),
    ),
    Verb(
        "sbom",
        "list what is in an image, with licences",
        Where.HOST,
        "meso_cli.verbs.sbom",
        ("runtime", "nix"),
    ),
    Verb(
        "bench",
        "measure, beside a peer or a bound",
        Where.HOST,
        "meso_cli.verbs.bench",
        ("runtime", "nix", "qemu-x86_64", "ssh"),
    ),
    Verb(
        "adapter",
        "the same identity on Claude Code, Pi, Goose",
        Where.BOTH,
        "meso_cli.verbs.adapter",
        needs=("runtime",),
        own_host=True,
    ),
    Verb("status", "how the appliance is", Where.APPLIANCE, "meso_cli.verbs.status"),
    Verb("reboot", "restart it", Where.APPLIANCE, "meso_cli.verbs.reboot", asks=True),
    Verb("poweroff", "power it off", Where.APPLIANCE, "meso_cli.verbs.poweroff", asks=True),
    Verb("session", "sessions and their entries", Where.APPLIANCE, "meso_cli.verbs.session"),
    Verb(
        "checkpoint",
        "an agent's state, kept and brought back",
        Where.APPLIANCE,
        "meso_cli.verbs.checkpoint",
    ),
    Verb("task", "work to be done, and its order", Where.APPLIANCE, "meso_cli.verbs.task"),
    Verb("memory", "what the appliance remembers", Where.APPLIANCE, "meso_cli.verbs.memory"),
    Verb("identity", "who an agent is", Where.BOTH, "meso_cli.verbs.identity", ("runtime",)),
    Verb(
        "operon",
        "knowledge that loads when it is called for",
        Where.BOTH,
        "meso_cli.verbs.operon",
        ("runtime",),
    ),
    Verb("proxy", "where requests to models go, and why", Where.APPLIANCE, "meso_cli.verbs.proxy"),
    Verb("mind", "minds that think in iterations", Where.BOTH, "meso_cli.verbs.mind", ("runtime",)),
    Verb(
        "chat",
        "talk with a mind, its pools beside it",
        Where.BOTH,
        "meso_cli.verbs.chat",
        ("runtime",),
        asks=True,
    ),
    Verb("secret", "the API keys that it uses", Where.APPLIANCE, "meso_cli.verbs.secret"),
    Verb("mcp", "the appliance for MCP clients", Where.APPLIANCE, "meso_cli.verbs.mcp"),
    Verb("tool", "the sandboxed tools, by hand", Where.BOTH, "meso_cli.verbs.tool", ("runtime",)),
    Verb("policy", "what agents may do with tools", Where.APPLIANCE, "meso_cli.verbs.policy"),
    Verb("approve", "answer what agents ask", Where.APPLIANCE, "meso_cli.verbs.approve", asks=True),
    Verb("audit", "what the tools did", Where.APPLIANCE, "meso_cli.verbs.audit"),
    Verb(
        "fetch",
        "a page of the internet, marked as untrusted",
        Where.APPLIANCE,
        "meso_cli.verbs.fetch",
    ),
)


def find(name: str) -> Verb | None:
    """The verb of that name."""
    return next((verb for verb in VERBS if verb.name == name), None)
