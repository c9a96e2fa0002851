"""Every command that the documents and the help pages show is one that `meso` understands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from meso_cli import registry
from meso_cli.command import parse
from meso_cli.output import CliError

TOP = Path(__file__).parents[3]
DOCUMENTS = [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]
# Written by the project from its own models, and quoting other programs' words.
GENERATED = {"MESO-PROTOCOL.md", "evidence.md", "soak.md"}
COMMAND = re.compile(r"^(?:\./)?(?:meso|mind) ")
# Words that stand for something that is not a word of its kind.
PLACES = {"ACTION", "NUMBER:HASH", "…", "..."}
ENDS = {"|", ";", "&&", ">", ">>", "<", "&"}


def words(line: str) -> list[list[str]]:
    """The `meso` commands of a line of shell, as words; what feeds or follows them is left out.

    What stands behind three spaces explains it.
    """
    lexer = shlex.shlex(line.partition("   ")[0], posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = "#"
    found: list[list[str]] = [[]]
    redirected = False
    for word in lexer:
        if word in ENDS:
            redirected = word in (">", ">>", "<")
            if not redirected:
                found.append([])
        elif not redirected:
            found[-1].append(word)
        else:
            redirected = False
    return [one for one in found if one and COMMAND.match(f"{one[0]} ")]


def blocks(text: str) -> Iterator[str]:
    """The lines of a document's code blocks, fenced or indented."""
    fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line.strip()


def shown() -> Iterator[tuple[str, list[str]]]:
    """Where a command stands, and its words without the program's name."""
    for document in DOCUMENTS:
        if document.name in GENERATED:
            continue
        for line in blocks(document.read_text()):
            if COMMAND.match(line):
                yield from ((document.name, each) for each in words(line))
    for verb in registry.VERBS:
        for line, _ in verb.load().PAGE.examples:
            yield from ((f"meso {verb.name} --help", each) for each in words(line))


SHOWN = [(where, found) for where, found in shown() if not PLACES & set(found)]


def test_there_are_commands_to_look_at() -> None:
    assert {where for where, _ in SHOWN} >= {"README.md", "first-hour.md", "meso session --help"}


@pytest.mark.parametrize(("where", "found"), SHOWN, ids=lambda value: " ".join(value)[:70])
def test_a_command_that_is_shown_is_understood(
    where: str, found: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["mind", *found[1:]] if found[0] == "mind" else found[1:]
    try:
        parse(argv)
    except SystemExit as left:
        assert left.code == 0, f"{where}: {shlex.join(found)}: {capsys.readouterr().err}"
    except CliError as error:
        if error.status != 2:
            return  # a file that it names is not here
        pytest.fail(f"{where}: {shlex.join(found)}: {error}")
