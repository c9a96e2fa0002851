"""From an appliance's name to its image: check the file, bring what is locked, let Nix build.

Nix does not build again what is there. The image stays until its link in
.meso/images is removed, whatever Nix's garbage collection does.
"""

from __future__ import annotations

import os
import re
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from meso_host import nix, store
from meso_host.errors import HostError
from meso_host.lock.model import LOCK_DIR, Meta
from meso_host.lock.model import load as read_lock
from meso_host.setup import tree
from meso_host.setup.appliance import file_of
from meso_services.config.load import load
from meso_services.runtime import process

Note = Callable[[str], None]
# The project's cadence of security updates is a week (docs/architecture.md).
OLD_DAYS = 30
# What was fetched and not built: nothing to build twice and compare.
FETCHED = re.compile(r"\.(deb|whl|tar\.gz|tar\.xz|toml)\.drv$")
# What Nix says where the kernel or a container forbids the namespaces of its sandbox.
SANDBOX = re.compile(
    r"(cloning builder process|private mount namespace|kernel namespaces|"
    r"unsharing|remounting|mounting /proc).*"
)
DERIVATION = re.compile(r"building '/nix/store/[a-z0-9]{32}-(.+)\.drv'")


def build(name: str, note: Note = lambda _: None) -> Path:
    """The directory of the image of configs/NAME.toml, with disk.img and image.json.

    `note` is told what goes on. Raises HostError, or ConfigError for a file
    with mistakes.
    """
    nix.require()
    configuration(name)
    _bring(name, note)
    note("evaluating")
    link = tree.STATE / "images" / name
    link.parent.mkdir(parents=True, exist_ok=True)
    _nix(["nix-build", *_what(name), "-A", "image", "--out-link", str(link)], note)
    return link.resolve()


def age(now: float | None = None) -> str:
    """A warning when the locks are older than 30 days, else an empty text."""
    locked = read_lock(locks(), "meta", Meta).epoch
    days = ((time.time() if now is None else now) - locked) / 86400
    if days <= OLD_DAYS:
        return ""
    return (
        f"the packages were locked {days:.0f} days ago, so security updates since then are "
        "missing: ./meso lock --update takes them"
    )


def check(name: str, note: Note = lambda _: None) -> Path:
    """Build every part of the image again and compare bit for bit; the image's directory.

    Raises HostError build.differs that names the part which differs.
    """
    image = build(name, note)
    found = process.run(
        ["nix-instantiate", *_what(name), "-A", "image"], env=nix.environment(), cwd=tree.TOP
    ).stdout.split()
    parts = process.run(["nix-store", "--query", "--requisites", *found], env=nix.environment())
    ours = [drv for drv in parts.stdout.split() if drv.endswith(".drv") and not FETCHED.search(drv)]
    _nix(["nix-store", "--realise", "--check", *ours], note)
    return image


def configuration(name: str) -> Path:
    """The appliance's file, free of mistakes. Raises HostError or ConfigError."""
    file = file_of(name)
    load(file)
    return file


def locks() -> Path:
    """Where the lock files are: in the tree, or where a test run has its own (MESO_LOCK)."""
    return Path(os.environ.get("MESO_LOCK") or tree.TOP / LOCK_DIR)


def _what(name: str) -> list[str]:
    return [str(tree.TOP / "images"), "--argstr", "name", name]


def _bring(name: str, note: Note) -> None:
    file = tree.TOP / "configs" / f"{name}.toml"
    system = tomllib.loads(file.read_text(encoding="utf-8")).get("system", "x86_64-linux")
    arch = {"x86_64-linux": "amd64", "aarch64-linux": "arm64"}[system]
    store.bring(locks(), arch, lambda p: note(f"{p.what}, {p.percent}%"))


@dataclass(slots=True)
class _Lines:
    """Follows what Nix prints: how many parts there are to build, and which is being built."""

    note: Note
    total: int = 0
    built: int = 0
    said: list[str] = field(default_factory=list)

    def line(self, text: str) -> None:
        """One line of Nix's."""
        self.said.append(text)
        if match := re.search(r"(?:these (\d+)|this) derivations? will be built", text):
            self.total = int(match[1] or 1)
        if match := DERIVATION.search(text) or re.search(
            r"checking outputs of '.*-(.+)\.drv'", text
        ):
            self.built += 1
            of = f" of {self.total}" if self.total else ""
            self.note(f"{match[1]}, part {self.built}{of}")


def _nix(argv: list[str], note: Note) -> None:
    lines = _Lines(note)
    try:
        process.follow(argv, lines.line, env=nix.environment(), cwd=tree.TOP)
    except process.CommandError as error:
        raise explain(lines.said) from error


def explain(said: list[str]) -> HostError:
    """The error that Nix's output tells of."""
    text = "\n".join(said)
    if "No space left on device" in text:
        return nix.disk_full(Path(nix.store_dir()))
    if match := re.search(r"derivation '.*?-(.+)\.drv' may not be deterministic", text):
        return HostError(
            "build.differs",
            f"{match[1]}: a second build gives other bits than the first.",
            remedy="Something in that step depends on time, place or chance.",
        )
    if match := SANDBOX.search(text):
        return HostError(
            "nix.sandbox",
            f"Nix cannot make its build sandbox here: {match[0].strip()}.",
            remedy="It needs user and mount namespaces. In a chroot or a container, allow them or "
            "build outside; on a plain host: sysctl -w kernel.unprivileged_userns_clone=1.",
        )
    errors = [line for line in said if line.lstrip().startswith(("error:", ">"))]
    return HostError(
        "build.failed",
        "the image could not be built:\n" + "\n".join(errors[-20:] or said[-20:]),
        remedy="`nix log DERIVATION` shows everything that the failed step said.",
    )
