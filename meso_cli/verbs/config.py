"""`meso config`: check an appliance's file, compare two, print the schema, render the files."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from meso_cli.output import CliError, Output
from meso_cli.page import Page

PAGE = Page(
    text="""
One TOML file describes one appliance. `check` reads it and names every mistake in
it at once: the line, the key, what was found, what is allowed. The build does the
same, so a file with a mistake never becomes an image. NAME means configs/NAME.toml;
a path works too. Actions:
  check [NAME ...]   name every mistake; without a name, in all of configs/
  diff OLD NEW       what differs, and which command brings it to an appliance
  render NAME        the files that the appliance will read
  schema             the JSON schema, for editors
""",
    examples=(
        ("meso config check x86-minipc", "check configs/x86-minipc.toml"),
        ("meso config diff vps my-vps.toml", "what differs, and which command moves it"),
        ("meso config render vps --out rendered", "write the files that the appliance will read"),
        ("meso config schema", "print the JSON schema, for editors"),
        ("meso config schema --write", "bring docs/ up to date after a change of the model"),
    ),
)


@dataclass(frozen=True, slots=True)
class Check:
    """Files to check, by name or path; none means all of configs/."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Diff:
    """Two files to compare."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Render:
    """A file to render; `out` is a directory to make, None prints."""

    name: str
    out: Path | None


@dataclass(frozen=True, slots=True)
class Schema:
    """Print the schema, or `write` it and the reference into docs/."""

    write: bool


Request = Check | Diff | Render | Schema


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("action", choices=("check", "diff", "render", "schema"), metavar="ACTION")
    parser.add_argument("names", nargs="*", metavar="NAME", help="configs/NAME.toml, or a path")
    parser.add_argument("--out", type=Path, metavar="DIR", help="render: write the files there")
    parser.add_argument("--write", action="store_true", help="schema: write docs/, print nothing")


def parse(arguments: argparse.Namespace) -> Request:
    """The request. Raises CliError when the action does not go with the names."""
    match arguments.action, arguments.names:
        case "check", names:
            return Check(tuple(names))
        case "diff", [old, new]:
            return Diff(old, new)
        case "render", [name]:
            return Render(name, arguments.out)
        case "schema", []:
            return Schema(arguments.write)
        case action, _:
            takes = {"diff": "two names", "render": "one name", "schema": "no name"}[action]
            raise CliError("cli.usage", f"`meso config {action}` takes {takes}.", status=2)


def look(request: Request) -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """The files that must be there and be TOML."""
    match request:
        case Check(names):
            return (), tuple(map(path_of, names))
        case Diff(old, new):
            return (), (path_of(old), path_of(new))
        case Render(name):
            return (), (path_of(name),)
        case Schema():
            return (), ()


def path_of(name: str) -> Path:
    """`x86-minipc` → configs/x86-minipc.toml; whatever looks like a path stays one."""
    if "/" in name or name.endswith(".toml"):
        return Path(name)
    path = Path(__file__).resolve().parents[2] / "configs" / f"{name}.toml"
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def run(request: Request, output: Output) -> int:
    """Do it; 1 when a file has a mistake."""
    from meso_cli import config  # noqa: PLC0415 (help needs no pydantic)

    match request:
        case Check(names):
            return config.check(names, output)
        case Diff(old, new):
            return config.diff(old, new, output)
        case Render(name, out):
            return config.render(name, out, output)
        case Schema(write):
            return config.schema(write, output)
