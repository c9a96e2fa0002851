"""Where an identity comes from: a genome's directory, this appliance, or another one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from meso_cli import remote
from meso_cli.adapters.base import Source
from meso_cli.command import on_appliance
from meso_cli.output import CliError
from meso_services.contract.client import Connection
from meso_services.prompt.who import Part, Who, from_appliance, from_genome
from meso_services.runtime import process

SECONDS = 60


def source(genome: Path | None, host: str | None) -> Source:
    """The identity of `genome` if it is given, else of `host`, else of this machine.

    Raises CliError, GenomeError or CallError.
    """
    login = tuple(remote.login(host)) if host is not None else ()
    if genome is not None:
        return Source(from_genome(genome), host, login)
    if host is not None:
        return Source(_of_host(host, login), host, login)
    if on_appliance():
        with Connection("operon-loader") as connection:
            return Source(from_appliance(connection))
    raise CliError(
        "adapter.no_identity",
        "no identity was named.",
        hint="Give --genome DIR (in the project's tree: --genome genome) or --host USER@HOST.",
        status=2,
    )


def _of_host(host: str, login: tuple[str, ...]) -> Who:
    argv = [*login, "meso", "adapter", "export-context", "--json"]
    try:
        said = process.run(argv, timeout=SECONDS).stdout
        return read(json.loads(said)["who"])
    except process.CommandError as problem:
        raise CliError(
            "remote.unreachable",
            f"{host} did not tell its identity: {problem}",
            hint="Does `ssh HOST meso status` work, and is its MESO OS as new as this one?",
        ) from problem
    except (ValueError, KeyError, TypeError) as problem:
        raise CliError("adapter.no_identity", f"{host} answered something else.") from problem


def told(who: Who) -> dict[str, Any]:
    """The identity as JSON; `read` takes it back."""
    return {
        "hash": who.hash,
        "standing_orders": who.standing_orders,
        "zooids": [_part(part) for part in who.zooids],
        "operons": [_part(part) for part in who.operons],
    }


def _part(part: Part) -> dict[str, Any]:
    names = ("name", "version", "description", "text")
    return {**{name: getattr(part, name) for name in names}, "words": list(part.words)}


def read(data: dict[str, Any]) -> Who:
    """The identity that `told` wrote. Raises KeyError or TypeError."""
    zooids, operons = (
        tuple(Part(**{**part, "words": tuple(part["words"])}) for part in data[kind])
        for kind in ("zooids", "operons")
    )
    return Who(str(data["hash"]), str(data["standing_orders"]), zooids, operons)
