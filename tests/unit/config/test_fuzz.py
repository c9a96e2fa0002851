"""Whatever stands in a file, the answer is an appliance or a list of mistakes."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from meso_services.config.load import load, loads
from meso_services.config.mistakes import ConfigError

TOP = Path(__file__).resolve().parents[3]
GOOD = (TOP / "configs/x86-minipc.toml").read_text()
PIECES = [
    "[",
    "]",
    "[[",
    "]]",
    "=",
    ".",
    '"',
    "'",
    '"""',
    "\n",
    "#",
    "{",
    "}",
    ",",
    "nan",
    "1979-01-01",
]
PIECES += [
    "\\",
    "\x00",
    "é",
    "users",
    "network.interfaces",
    "ssh_keys",
    "schema",
    "-0",
    "1e999",
    "0x_",
]


def judged(text: str) -> None:
    try:
        loads(text)
    except ConfigError as error:
        assert error.mistakes
        for mistake in error.mistakes:
            assert mistake.code.startswith("config.")
            assert mistake.text()
            mistake.as_json()


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    judged(text)


@settings(deadline=None, max_examples=300)
@given(st.integers(0, len(GOOD)), st.integers(0, 40), st.lists(st.sampled_from(PIECES), max_size=6))
def test_a_good_file_with_a_piece_replaced(start: int, length: int, pieces: list[str]) -> None:
    judged(GOOD[:start] + "".join(pieces) + GOOD[start + length :])


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path_factory: object, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.toml"  # type: ignore[attr-defined]
    path.write_bytes(content)
    try:
        load(path)
    except ConfigError as error:
        assert str(error)
