"""lint, new and schema: operons as folders of this computer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import assert_never

from meso_cli.output import CliError, Output
from meso_cli.verbs.operon.requests import Lint, New, Schema
from meso_services.genome import start
from meso_services.genome.lint import lint
from meso_services.genome.load import load_genome
from meso_services.genome.match import Matcher, failed_tests
from meso_services.genome.models import Operon, Problem
from meso_services.genome.schema import operon_schema

# In the project's tree.
PATH = Path(__file__).parents[3] / "docs/operon.schema.json"


def run(request: Lint | New | Schema, output: Output) -> int:
    """Do it here."""
    match request:
        case Lint(folders):
            return _lint(folders, output)
        case New(name, where):
            return _new(name, where, output)
        case Schema(write):
            return _schema(write, output)
        case _:
            assert_never(request)


def _lint(folders: tuple[Path, ...], output: Output) -> int:
    problems: list[Problem] = []
    count = 0
    for folder in folders:
        if (folder / "operons").is_dir():
            found, checked = _genome(folder)
        else:
            found, checked = lint(folder.resolve(), _beside(folder)), 1
        problems += found
        count += checked
    document = [{"where": p.where, "key": p.key, "problem": p.problem} for p in problems]
    text = "\n".join(map(str, problems)) or f"nothing is wrong with {count} operons"
    output.result({"operons": count, "problems": document}, text)
    return int(bool(problems))


def _genome(directory: Path) -> tuple[tuple[Problem, ...], int]:
    """A whole genome: its operons together, as the renderer judges them."""
    loaded = load_genome(directory)
    matcher = Matcher(loaded.operons)
    failures = [f for operon in loaded.operons for f in failed_tests(operon, matcher)]
    failed = (Problem(str(directory), "", failure) for failure in failures)
    return (*loaded.problems, *failed), len(loaded.operons)


def _beside(folder: Path) -> dict[str, Operon] | None:
    """The genome's other operons, if the folder lies in one; else requirements are not judged."""
    genome = folder.resolve().parent.parent
    if not (genome / "STANDING-ORDERS.md").is_file():
        return None
    return {operon.head.name: operon for operon in load_genome(genome).operons}


def _new(name: str, where: Path, output: Output) -> int:
    place = where / name
    try:
        start.make(place)
    except ValueError as error:
        raise CliError("operon.bad_name", str(error), status=2) from None
    except OSError as error:
        raise CliError(
            "operon.exists", f"{error.filename or place}: {error.strerror}", hint="Another name?"
        ) from None
    text = f"{place}\nWrite OPERON.md and tests.yaml, then: meso operon lint {place}"
    output.result({"folder": str(place)}, text)
    return 0


def _schema(write: bool, output: Output) -> int:
    schema = operon_schema()
    text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    if write:
        PATH.write_text(text)
        output.result({"written": str(PATH)}, str(PATH))
    else:
        output.result(schema, text.rstrip())
    return 0
