"""Files, tools, tasks and times load operons; each reason says what was found."""

from __future__ import annotations

from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from meso_services.genome.automaton import Automaton
from meso_services.genome.globs import compile_glob
from meso_services.genome.match import Matcher
from meso_services.genome.models import Operon, OperonHead, OperonTests, Similar, Triggers
from meso_services.genome.pattern import PatternError
from meso_services.genome.situation import Nearest, Situation
from meso_services.genome.times import TimeError, parse_time

TESTS = OperonTests(loads=("a", "b", "c"), does_not_load=("d", "e", "f"))


def operon(
    name: str = "x", *, requires: tuple[str, ...] = (), tokens: int = 10, **t: Any
) -> Operon:
    head = OperonHead(
        name=name,
        version="v2",
        description="For a test",
        budget_tokens=100,
        triggers=Triggers(**t),
        requires=requires,
    )
    return Operon(head, "text", tokens, TESTS)


def reasons(found: Operon, situation: Situation) -> list[tuple[str, str, str, int | None]]:
    loaded = Matcher([found]).match(situation).loaded
    return [(r.kind, r.trigger, r.found, r.offset) for c in loaded for r in c.reasons]


@pytest.mark.parametrize(
    ("glob", "path", "fits"),
    [
        ("*.py", "src/app.py", True),
        ("*.py", "APP.PY", True),
        ("*.py", "app.pyc", False),
        ("Dockerfile", "deploy/Dockerfile", True),
        ("Dockerfile", "Dockerfile.old", False),
        ("docs/*.md", "docs/a.md", True),
        ("docs/*.md", "docs/a/b.md", False),
        ("docs/**", "x/docs/a/b.md", True),
        ("docs/**/b.md", "docs/b.md", True),
        ("[ab].c", "b.c", True),
        ("[ab].c", "c.c", False),
        ("?.c", "cc.c", False),
        ("a+b(1).txt", "a+b(1).txt", True),
    ],
)
def test_globs(glob: str, path: str, fits: bool) -> None:
    assert bool(Automaton([compile_glob(glob)]).search(path)) is fits


@settings(max_examples=300, deadline=None)
@given(st.text("ab.*?", min_size=1, max_size=8), st.text("ab.", min_size=1, max_size=8))
def test_a_glob_without_directories_fits_as_the_shells_does(glob: str, name: str) -> None:
    assume("**" not in glob)
    try:
        program = compile_glob(glob)
    except PatternError:
        assert not glob.strip("*?/")
        return
    assert bool(Automaton([program]).search(name)) is fnmatchcase(name, glob)


def test_a_file_in_hand_or_in_the_text_loads() -> None:
    found = operon(files=("*.sql",))
    assert reasons(found, Situation(files=("db/init.sql",))) == [
        ("file", "*.sql", "db/init.sql", None)
    ]
    assert reasons(found, Situation("Look at db/x.sql.")) == [("file", "*.sql", "db/x.sql", 8)]
    assert reasons(found, Situation("sql")) == []


def test_tools_and_tasks_load() -> None:
    found = operon(tools=("mcp__git__*", "bash"), tasks=("release*",))
    situation = Situation("hi", tools=("read", "mcp__git__log"), tasks=("Other", "Releases of May"))
    assert reasons(found, situation) == [
        ("task", "release*", "Releases", None),
        ("tool", "mcp__git__*", "mcp__git__log", None),
    ]


@pytest.mark.parametrize(
    ("window", "now", "holds"),
    [
        ("mon-fri 08:00-18:00", "2026-11-20T08:00", True),
        ("mon-fri 08:00-18:00", "2026-11-20T18:00", False),
        ("mon-fri 08:00-18:00", "2026-11-21T12:00", False),
        ("fri 22:00-06:00", "2026-11-21T05:59", True),
        ("fri 22:00-06:00", "2026-11-20T05:59", False),
        ("sat,sun", "2026-11-21T00:00", True),
        ("fri-mon", "2026-11-22T00:00", True),
        ("fri-mon", "2026-11-24T00:00", False),
        ("day 1,15", "2026-11-15T09:00", True),
        ("day 25-31 09:00-24:00", "2026-11-25T23:59", True),
        ("day 25-31 09:00-24:00", "2026-11-25T08:59", False),
    ],
)
def test_windows_of_time(window: str, now: str, holds: bool) -> None:
    assert parse_time(window).holds(datetime.fromisoformat(now)) is holds


@pytest.mark.parametrize(
    "window",
    ["", "noon", "mon-xyz", "25:00-26:00", "08:00-08:00", "day", "day 0", "day 9-3", "mon 8-9",
     "08:00-24:30", "mon tue", "every minute"],
)  # fmt: skip
def test_a_window_that_cannot_be_read_is_refused(window: str) -> None:
    with pytest.raises(TimeError):
        parse_time(window)


def test_time_loads_only_when_it_is_known() -> None:
    found = operon(times=("sat",))
    assert reasons(found, Situation(now=datetime(2026, 11, 21, 9, 5))) == [
        ("time", "sat", "Sat 09:05", None)
    ]
    assert reasons(found, Situation("sat")) == []


def test_a_similar_meaning_loads_from_the_declared_cosine_on() -> None:
    found = operon(similar=Similar(texts=("how plants grow",), at_least=0.5))
    near = {"x": Nearest("how plants grow", 0.5)}
    assert reasons(found, Situation(similar=near)) == [
        ("similar", "how plants grow", "0.500, at least 0.5", None)
    ]
    assert reasons(found, Situation(similar={"x": Nearest("how plants grow", 0.499)})) == []
