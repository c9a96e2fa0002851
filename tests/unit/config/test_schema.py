"""The schema and the reference that editors and operators read are those of the model."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meso_services.config.keys import known_keys
from meso_services.config.load import loads
from meso_services.config.mistakes import ConfigError
from meso_services.config.reference import updated
from meso_services.config.schema import schema
from tests.unit.config.test_mistakes import BASE

TOP = Path(__file__).resolve().parents[3]
REMEDY = "run `./meso config schema --write` and commit docs/"


@pytest.fixture(scope="module")
def judge() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema())


def test_the_written_schema_is_current() -> None:
    written = json.loads((TOP / "docs/meso-config.schema.json").read_text())
    assert written == schema(), REMEDY


def test_the_written_reference_is_current() -> None:
    document = (TOP / "docs/configuration.md").read_text()
    assert updated(document) == document, REMEDY


def test_every_key_is_documented_with_its_scope() -> None:
    document = (TOP / "docs/configuration.md").read_text()
    for info in known_keys():
        entry = rf"\*\*`{info.path[-1]}`\*\* \([^)]*{info.scope}.*\)\. \S"
        assert re.search(entry, document), f"{info.name}: {REMEDY}"
        assert info.description.endswith("."), info.name


@pytest.mark.parametrize("path", sorted((TOP / "configs").glob("*.toml")), ids=lambda p: p.stem)
def test_an_editor_finds_no_fault_with_our_files(
    path: Path, judge: jsonschema_rs.Draft202012Validator
) -> None:
    text = path.read_text()
    judge.validate(tomllib.loads(text))
    named = text.splitlines()[0].removeprefix("#:schema ")
    assert (path.parent / named).resolve() == TOP / "docs/meso-config.schema.json"


@pytest.mark.parametrize(
    "line",
    [
        "colour = 1",
        'timezone = "Mars"',
        "boot.menu_seconds = 601",
        'storage.root_size = "512"',
        "network.mdns = 1",
        'users.operator.ssh_keys = ["hello"]',
        "services.mind_runner.colour = 1",
        "network.interfaces.lan.colour = 1",
        'locale = "de_DE"',
    ],
)
def test_an_editor_sees_the_common_mistakes(
    line: str, judge: jsonschema_rs.Draft202012Validator
) -> None:
    assert not judge.is_valid(tomllib.loads(BASE + line))
    with pytest.raises(ConfigError):
        loads(BASE + line)


VALUES = st.sampled_from(
    ['""', '"UTC"', '"512M"', "0", "3", "true", "[]", '["9.9.9.9"]', "1.5", "{}", '"debug"', '"x"']
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([info for info in known_keys() if len(info.path) > 1]), VALUES)
def test_what_the_model_takes_an_editor_takes_too(info: object, value: str) -> None:
    """A schema stricter than the model would mark good files as wrong."""
    name = getattr(info, "name", "").replace("NAME", "lan")
    text = f"{BASE}{name} = {value}\n"
    try:
        loads(text)
    except ConfigError:
        return
    assert jsonschema_rs.is_valid(schema(), tomllib.loads(text))
