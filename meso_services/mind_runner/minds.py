"""All minds of an instance: one session directory each, below `/meso/minds`."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from meso_services.contract.mind import MindConfig
from meso_services.mind import embedders, session, state
from meso_services.mind.session import Inspection
from meso_services.mind.state import Mind
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError

# Names that users give begin with a letter or digit.
_HEALTH = ".health-"


@dataclass(frozen=True)
class Minds:
    """The minds below one directory. Names are checked by the caller."""

    directory: Path

    def prepare(self) -> None:
        """Make the directory, and remove what a crash left of a mind that was being made."""
        durable.make_directories(self.directory)
        for prefix in (durable.TEMPORARY_PREFIX, _HEALTH):
            for leftover in self.directory.glob(f"{prefix}*"):
                shutil.rmtree(leftover, ignore_errors=True)

    def create(self, name: str, prompt: str | None, *, offline: bool = False) -> Inspection:
        """Initialise a mind and look into it."""
        config = embedders.offline(MindConfig()) if offline else MindConfig()
        session.init(self.directory / name, prompt, config)
        return self.inspect(name)

    def open(self, name: str) -> Mind:
        """Open a mind to change it. Raises `mind.not_found` and `mind.damaged`."""
        return state.open_mind(self.directory / name)

    def inspect(self, name: str) -> Inspection:
        """Look into a mind. Raises `mind.not_found` and `mind.damaged`."""
        return session.inspect(self.directory / name)

    def list(self) -> Iterator[tuple[str, int | None, str]]:
        """Name, iteration and problem (empty if none) of every mind, by name."""
        for path in sorted(self.directory.iterdir()):
            if not path.name.startswith(".") and path.is_dir() and not path.is_symlink():
                yield self._summary(path.name)

    def prove(self) -> bool:
        """Make, inspect and remove a mind that no user can meet."""
        name = f"{_HEALTH}{secrets.token_hex(8)}"
        try:
            return self.create(name, "Are you well?").messages == {"user": 1}
        finally:
            shutil.rmtree(self.directory / name, ignore_errors=True)

    def _summary(self, name: str) -> tuple[str, int | None, str]:
        try:
            return name, self.inspect(name).iteration, ""
        except MesoError as error:
            return name, None, error.message
