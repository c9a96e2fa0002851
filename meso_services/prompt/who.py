"""An identity with its texts, from an appliance or from a genome's directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from meso_services.contract import identity as wire
from meso_services.contract.client import Connection
from meso_services.generation.genome import read_genome
from meso_services.genome.load import load


@dataclass(frozen=True)
class Part:
    """A zooid or an operon: its head in short, and its text."""

    name: str
    version: str
    description: str
    text: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Who:
    """Who an agent is. `hash` covers every byte of it; parts are in the order of their names."""

    hash: str
    standing_orders: str
    zooids: tuple[Part, ...]
    operons: tuple[Part, ...]


def from_appliance(connection: Connection) -> Who:
    """Ask an operon loader. Raises CallError."""
    identity = connection.get("/v1/identity", wire.IdentityReply)
    genome = connection.get("/v1/genome", wire.GenomeReply)
    zooids = connection.get("/v1/zooids", wire.ZooidsReply).zooids
    listed = connection.get("/v1/operons", wire.OperonsReply).operons
    operons = [connection.get(f"/v1/operons/{operon.name}", wire.Operon) for operon in listed]
    return Who(
        identity.hash,
        genome.standing_orders,
        tuple(Part(z.name, z.version, z.description, z.text) for z in zooids),
        tuple(
            Part(o.name, o.version, o.description, o.text, tuple(o.triggers.words)) for o in operons
        ),
    )


def from_genome(directory: Path) -> Who:
    """Read a genome's directory. Raises GenomeError with every mistake in it."""
    identity, _ = read_genome(directory)
    loaded = load(directory, directory / "zooids", directory / "operons")
    return Who(
        identity.hash,
        loaded.standing_orders,
        tuple(Part(z.head.name, z.head.version, z.head.description, z.text) for z in loaded.zooids),
        tuple(
            Part(o.head.name, o.head.version, o.head.description, o.text, o.head.triggers.words)
            for o in loaded.operons
        ),
    )
