"""The `meso` command. The only place of the package that ends the process."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

from meso_cli import remote
from meso_cli.command import Command, known, on_appliance, overview, parse
from meso_cli.output import CliError, Output, problem
from meso_cli.registry import Where
from meso_cli.terminal import lines


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (0 done, 1 failed, 2 wrong usage)."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _answer(words)
    except KeyboardInterrupt:
        print("meso: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader went away (`meso ... | head`): nothing more to say, to anyone.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        shown = problem(error)
        if shown is None:
            raise
        if "--json" in words:
            print(json.dumps(shown.document()))
        print(lines(shown.text()), file=sys.stderr)
        return shown.status


def _answer(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help") or words == ["help"]:
        print(overview())
        return 0 if words else 2
    if words[0] == "--version":
        print(f"meso {version()}")
        return 0
    if words[0] == "help":
        words = [known(words[1]).name, "--help"]
    return dispatch(parse(words))


def dispatch(command: Command) -> int:
    """Do what was asked, here or over ssh."""
    verb = command.verb
    if command.host:
        words = [verb.name, *(["--json"] if command.json else []), *command.words]
        return remote.run(command.host, words, terminal=verb.asks and not command.json)
    if verb.where is Where.APPLIANCE and not on_appliance():
        raise CliError(
            "cli.not_an_appliance",
            f"`meso {verb.name}` speaks to an appliance, and this computer is none.",
            hint="Name one: --host USER@HOST, or --host vm:x86-minipc for a virtual machine.",
        )
    return verb.load().run(command.request, Output(json=command.json))


def version() -> str:
    """The version of the installed distribution, or of the tree."""
    import importlib.metadata  # noqa: PLC0415 (half of the start-up time, and rarely wanted)

    try:
        return importlib.metadata.version("meso-os")
    except importlib.metadata.PackageNotFoundError:
        return "0.1.0 (source tree)"


if __name__ == "__main__":
    sys.exit(main())
