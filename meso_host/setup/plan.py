"""What must be brought before a verb can run, and bringing it."""

from __future__ import annotations

import fcntl
import getpass
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from meso_cli.progress import Progress
from meso_host.errors import HostError
from meso_host.setup import debian, needs, tree
from meso_host.setup.needs import Need
from meso_host.setup.venv import Environment
from meso_services.runtime import process

# The names of the Python environments among a verb's needs.
KINDS = ("runtime", "dev")


@dataclass(frozen=True, slots=True)
class Plan:
    """`lacking`: what the system lacks. `kind`: the Python environment to make, or None."""

    lacking: tuple[Need, ...]
    kind: str | None

    @property
    def empty(self) -> bool:
        """Nothing to do."""
        return not self.lacking and self.kind is None

    @property
    def packages(self) -> list[str]:
        """The Debian packages to install, each once."""
        return list(dict.fromkeys(p for need in self.lacking for p in need.packages))

    def lines(self) -> list[str]:
        """What would be done, as commands."""
        lines = debian.commands(self.packages) if self.lacking else []
        if "nix-setup-systemd" in self.packages:
            lines.append(f"adduser {getpass.getuser()} nix-users    # then log in again")
        if self.kind:
            file = f"requirements/{self.kind}.txt"
            lines.append(f"python3 -m venv .meso/venv, with the packages of {file}")
        return lines


def environment() -> Environment:
    """The tree's Python environment."""
    return Environment(tree.STATE / "venv", tree.TOP)


def make(names: Sequence[str], words: Sequence[str] = ()) -> Plan:
    """The plan for a verb's needs; `words` are its arguments. Changes nothing."""
    kinds = [kind for kind in KINDS if kind in names]
    kind = kinds[-1] if kinds else None
    if kind and environment().installed(kind):
        kind = None
    system = [*names, "venv"] if kind else names
    return Plan(tuple(needs.missing(needs.named(system, words))), kind)


def carry_out(plan: Plan) -> None:
    """Do it, with progress. Without root it stops before it changes anything."""
    _refuse_if_impossible(plan)
    with _alone():
        progress = Progress((2 if plan.lacking else 0) + (1 if plan.kind else 0))
        if plan.lacking:
            _install(plan, progress)
        if plan.kind and not environment().installed(plan.kind):
            with progress.step("Python environment in .meso/venv") as note:
                environment().install(plan.kind, note)


def _refuse_if_impossible(plan: Plan) -> None:
    if not plan.lacking:
        return
    why = "\n".join(f"{n.name}: needed to {n.why}" for n in plan.lacking)
    if not debian.is_debian():
        raise HostError(
            "setup.not_debian",
            f"this computer lacks something, and it is no Debian, so bring it yourself.\n{why}",
            remedy="Debian calls the packages: " + " ".join(plan.packages),
        )
    if os.geteuid() != 0:
        raise HostError(
            "setup.not_root",
            f"this computer lacks something, and only root can install it.\n{why}",
            remedy="As root:\n" + "\n".join(line for line in plan.lines() if "venv," not in line),
        )


def _install(plan: Plan, progress: Progress) -> None:
    try:
        with progress.step("Debian's lists of packages") as note:
            debian.update(note)
        with progress.step("Debian packages: " + " ".join(plan.packages)) as note:
            debian.install(plan.packages, note)
    except process.CommandError as error:
        raise HostError(
            "setup.apt",
            f"apt-get failed: {error}",
            remedy="Are the mirrors in /etc/apt reachable, and is no other apt running? Then "
            "run the same command again: it goes on where this one stopped.",
        ) from error
    still = needs.missing(plan.lacking)
    if still:
        raise HostError(
            "setup.still_missing",
            "these are installed and still not usable: " + ", ".join(n.name for n in still),
            remedy="The packages were: " + " ".join(p for n in still for p in n.packages),
        )


@contextmanager
def _alone() -> Iterator[None]:
    """Two launchers at once take turns."""
    tree.STATE.mkdir(exist_ok=True)
    with (tree.STATE / "setup.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
