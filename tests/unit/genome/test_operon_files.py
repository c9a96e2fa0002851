"""Operons as folders and as one file: checked, started, compared; nothing strange gets through."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from meso_services.contract.identity_hash import (
    from_digests,
    read_generation,
    read_genome_directory,
)
from meso_services.files.strict_yaml import DocumentError
from meso_services.genome import bundle, start
from meso_services.genome.lint import lint
from meso_services.genome.load import load_genome
from meso_services.genome.schema import operon_schema
from meso_services.genome.show.snapshot import (
    SnapshotError,
    difference,
    of_record,
    read_snapshot,
)

TOP = Path(__file__).parents[3]
GENOME = TOP / "genome"
REMEDY = "run `./meso operon schema --write` and commit docs/"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    start.make(tmp_path / "garden-plot")
    return tmp_path / "garden-plot"


def test_a_new_operon_is_sound_and_passes_its_tests(folder: Path) -> None:
    assert lint(folder) == ()


@pytest.mark.parametrize("name", ["", "A", "a b", "a--b", "-a", "..", "x" * 65, "a\nb", "a"])
def test_a_new_operon_needs_a_name(tmp_path: Path, name: str) -> None:
    with pytest.raises((ValueError, OSError)):
        start.make(tmp_path / name)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda f: (f / "tests.yaml").unlink(), "tests.yaml: is missing"),
        (lambda f: (f / "x").symlink_to("/etc/passwd"), "neither a regular file"),
        (lambda f: os.mkfifo(f / "x"), "neither a regular file"),
        (lambda f: (f / "a\nb").write_text("x"), "control character"),
        (lambda f: (f / "a b").write_text("x"), "'a b' is not accepted"),
        (lambda f: (f / "big").write_bytes(b"x" * (5 << 20)), "is larger than"),
    ],
)
def test_a_strange_folder_is_refused(
    folder: Path, make: Callable[[Path], object], problem: str
) -> None:
    make(folder)
    found = "\n".join(map(str, lint(folder)))
    assert problem in found


def test_lint_runs_the_tests_and_judges_requirements(folder: Path) -> None:
    text = (folder / "OPERON.md").read_text()
    (folder / "OPERON.md").write_text(text.replace("triggers:", "requires: [x]\ntriggers:"))
    assert lint(folder) == ()
    assert "requires 'x', which is not loaded" in str(lint(folder, {})[0])
    (folder / "tests.yaml").write_text("loads: [a, b, c]\ndoes_not_load: [d, e, f]\n")
    assert ["must load on 'a'" in str(p) for p in lint(folder)] == [True, False, False]


def test_the_written_schema_is_current_and_judges_as_we_do() -> None:
    schema = operon_schema()
    assert json.loads((TOP / "docs/operon.schema.json").read_text()) == schema, REMEDY
    judge = jsonschema_rs.Draft202012Validator(schema)
    for path in (GENOME / "operons").glob("*/OPERON.md"):
        judge.validate(yaml.safe_load(path.read_text().split("---")[1]))
    tests = jsonschema_rs.Draft202012Validator({**schema, "$ref": "#/$defs/tests"})
    for path in (GENOME / "operons").glob("*/tests.yaml"):
        tests.validate(yaml.safe_load(path.read_text()))
    assert not judge.is_valid({"name": "x", "version": "1"})


FILES = st.dictionaries(
    st.from_regex(r"\A[a-z]{1,5}(/[a-z]{1,3})?(\.md)?\Z"), st.text(max_size=50), max_size=5
)


@settings(max_examples=200, deadline=None)
@given(FILES)
def test_packing_and_unpacking_is_the_same_or_refused(texts: dict[str, str]) -> None:
    try:
        files = {name: text.encode() for name, text in texts.items()}
    except UnicodeEncodeError:
        return
    try:
        raw = bundle.pack(files, "x")
    except DocumentError as error:
        assert "file and a directory" in str(error)
        return
    assert bundle.unpack(raw, "x") == files
    assert bundle.pack(bundle.unpack(raw, "x"), "x") == raw


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b"null", b'{"files": {}}', b'{"files": [], "schema": 1}',
        b'{"files": {"../x": ""}, "schema": 1}', b'{"files": {"/x": ""}, "schema": 1}',
        b'{"files": {".x": ""}, "schema": 1}', b'{"files": {"a\\nb": ""}, "schema": 1}',
        b'{"files": {"a": 1}, "schema": 1}', b'{"files": {"a": "\\ud800"}, "schema": 1}',
        b'{"files": {"a": "", "a/b": ""}, "schema": 1}', b'{"files": {}, "schema": 2}',
        b"[" * 100_000, b"\xff",
    ],
)  # fmt: skip
def test_a_bundle_that_leads_elsewhere_is_refused(raw: bytes) -> None:
    with pytest.raises(DocumentError):
        bundle.unpack(raw, "x")


def test_a_genome_has_the_hash_of_the_generation_made_from_it(tmp_path: Path) -> None:
    shutil.copytree(GENOME, tmp_path / "genome", ignore=shutil.ignore_patterns("zooids", "operons"))
    for part in ("zooids", "operons"):
        shutil.copytree(GENOME / part, tmp_path / part)
    one, other = read_genome_directory(GENOME), read_generation(tmp_path)
    assert (one.hash, load_genome(GENOME).hash) == (other.hash, other.hash)
    assert from_digests({n: p.files for n, p in one.parts.items()}).hash == one.hash
    found = difference(read_snapshot(GENOME), read_snapshot(tmp_path))
    assert (found.equal, found.files, found.versions) == (True, (), ())


def test_a_difference_is_explained_file_by_file(tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(GENOME, other)
    math = other / "operons/math/OPERON.md"
    math.write_text(math.read_text().replace("version: v1", "version: v9"))
    (other / "templates/new.md").write_text("x\x1b[31m\n")
    (other / "zooids/04-security.md").unlink()
    found = difference(read_snapshot(GENOME), read_snapshot(other))
    assert [(c.part, c.path, c.change) for c in found.files] == [
        ("genome", "templates/new.md", "added"),
        ("operons", "math/OPERON.md", "changed"),
        ("zooids", "04-security.md", "removed"),
    ]
    assert found.versions == (("zooid 04-security", "v1", None), ("operon math", "v1", "v9"))
    assert "+version: v9" in found.texts["operons/math/OPERON.md"]
    assert "\x1b" not in found.texts["genome/templates/new.md"]


def test_a_checkpoint_is_compared_as_far_as_it_says(tmp_path: Path) -> None:
    seed = {
        "identity": {
            "genome_version": "abc",
            "loaded_zooids": ["00-operator"],
            "loaded_operons": ["math"],
            "operon_versions": {"math": "v1"},
        }
    }
    file = tmp_path / "checkpoint.json"
    file.write_text(json.dumps(seed))
    found = difference(read_snapshot(file), read_snapshot(GENOME))
    assert not found.equal
    assert "lists no files" in found.notes[0]
    assert ("operon orchestration", None, "v2") in found.versions
    whole = read_genome_directory(GENOME)
    record = {
        "hash": whole.hash,
        "zooid_versions": {},
        "operon_versions": {},
        "files": {name: dict(part.files) for name, part in whole.parts.items()},
    }
    assert difference(of_record("x", record), read_snapshot(GENOME)).files == ()
    assert of_record("x", record).recomputed() == whole.hash


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"identity": 1}', '{"hash": "x", "files": {"genome": 1}}', "[" * 9999]
)
def test_what_holds_no_identity_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(SnapshotError):
        read_snapshot(file)


def test_a_huge_genome_is_read_in_bounded_time(tmp_path: Path) -> None:
    """Ten thousand files and a file of 64 MiB: read once, in pieces."""
    for part in ("genome", "zooids", "operons"):
        (tmp_path / part).mkdir()
    for number in range(10_000):
        (tmp_path / "genome" / f"{number}.md").write_bytes(b"x")
    with (tmp_path / "genome/large").open("wb") as large:
        large.truncate(64 << 20)
    began = time.monotonic()
    assert len(read_generation(tmp_path).parts["genome"].files) == 10_001
    assert time.monotonic() - began < 20
