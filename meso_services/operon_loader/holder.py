"""The identity that is served now. A change or a reload puts another one in its place."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from meso_services.genome.layers import Own, OwnOperon, overlay
from meso_services.genome.load import read
from meso_services.genome.match import Matcher
from meso_services.genome.models import Problem
from meso_services.operon_loader import changes, own, zooids
from meso_services.operon_loader.catalog import Catalog
from meso_services.runtime.logging import Log
from meso_services.runtime.paths import Paths

NOWHERE = Path("/nonexistent/no-generation")
_log = Log("meso.identity")


@dataclass(frozen=True)
class Source:
    """Where an identity is read from."""

    generation: Path | None
    zooids: Path
    operons: Path
    budget_tokens: int

    @classmethod
    def of(cls, paths: Paths, budget_tokens: int) -> Source:
        """The current generation, and the instance's own directories."""
        return cls(paths.generation(), paths.zooids, paths.operons, budget_tokens)


class Holder:
    """Serves `catalog`. Who changes something on the disk holds `lock` and calls `refresh`."""

    def __init__(self, source: Source, lock: threading.Lock) -> None:
        self.source = source
        self.lock = lock
        with lock:
            self.catalog = self._read()

    def refresh(self) -> Catalog:
        """Read again what lies on the disk, and serve that."""
        self.catalog = self._read()
        return self.catalog

    def _read(self) -> Catalog:
        generation = self.source.generation or NOWHERE
        loaded = read(*(generation / part for part in ("genome", "zooids", "operons")))
        copies = self._copies(generation)
        effective = overlay(loaded, self._own(copies, generation))
        matcher = Matcher(effective.operons)
        matcher.warm()
        lazy = {pin.head.name: pin for pin in own.pins(self.source.operons, [])}
        return Catalog(effective, matcher, self.source.budget_tokens, loaded, copies, lazy)

    def _copies(self, generation: Path) -> zooids.Zooids | None:
        """The instance's zooids, brought up to the generation; None where it keeps none."""
        if not self.source.zooids.is_dir() or not (generation / "zooids").is_dir():
            return None
        try:
            return zooids.deploy(self.source.zooids, zooids.read(generation / "zooids", []))
        except OSError as error:
            _log.error("the zooids could not be deployed", reason=str(error))
            return zooids.Zooids((), (Problem(str(self.source.zooids), "", str(error)),))

    def _own(self, copies: zooids.Zooids | None, generation: Path) -> Own:
        deployed = _deployed(generation)
        problems: tuple[Problem, ...] = copies.problems if copies else ()
        operons: tuple[OwnOperon, ...] = ()
        if self.source.operons.is_dir():
            try:
                changes.recover(self.source.operons)
                operons, more = own.read_own(self.source.operons)
            except OSError as error:
                more = (Problem(str(self.source.operons), "", str(error)),)
            problems += more
        # Copies that could not be made are the generation's own.
        effective = copies.effective() if copies and copies.copies else deployed
        return Own(effective, deployed, operons, problems)


def _deployed(generation: Path) -> dict[str, bytes]:
    try:
        return zooids.read(generation / "zooids", [])
    except OSError:
        return {}
