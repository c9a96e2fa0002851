"""What agents wrote is shown on a terminal, and the terminal obeys nothing of it."""

from __future__ import annotations

import io
import json

import pytest

from meso_cli.output import Output
from meso_cli.verbs.session.views import line

EVIL = "title \x1b]0;owned\x07 red \x1b[31m, C1 \x9b2J, turned \u202e, carriage \rreturn"


@pytest.mark.parametrize("way", ["result", "line"])
def test_text_for_people_holds_nothing_that_a_terminal_obeys(way: str) -> None:
    shown = io.StringIO()
    getattr(Output(stream=shown), way)({}, f"one\n\t{EVIL}")
    said = shown.getvalue()
    assert said.startswith("one\n\ttitle \\x1b]0;owned")
    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\r"} & set(said)


def test_letters_of_every_script_and_joined_pictures_are_left_alone() -> None:
    shown = io.StringIO()
    text = "Ünïcødé 漢字 عربى हिन्दी 👩\u200d👩\u200d👧"
    Output(stream=shown).result({}, text)
    assert shown.getvalue() == f"{text}\n"


def test_a_program_gets_every_character() -> None:
    shown = io.StringIO()
    Output(json=True, stream=shown).result({"text": EVIL}, "unused")
    assert json.loads(shown.getvalue()) == {"text": EVIL}


def test_an_entry_is_one_line_that_begins_with_its_id() -> None:
    said = {"role": "user", "content": [{"type": "text", "text": "two\nlines"}]}
    entry = {"id": "ab12", "timestamp": "T", "type": "message", "data": {"message": said}}
    assert line(entry) == "ab12  T  user: two lines"
    record = {"customType": "meso.branch", "data": {"name": "try", "at": None}}
    assert line({**entry, "type": "custom", "data": record}) == "ab12  T  (meso.branch) name try"
