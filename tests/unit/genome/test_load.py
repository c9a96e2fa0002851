"""A mistake in a genome is reported by file and key, and the rest still loads."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from meso_services.genome.load import Loaded, load_below

GENOME = Path(__file__).parents[3] / "genome"
Edit = Callable[[Path], object]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for part in ("zooids", "operons"):
        shutil.copytree(GENOME / part, tmp_path / part)
    skip = shutil.ignore_patterns("zooids", "operons")
    shutil.copytree(GENOME, tmp_path / "genome", ignore=skip)
    return tmp_path


def _edit(path: str, old: str, new: str) -> Edit:
    def edit(root: Path) -> None:
        file = root / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    return edit


MATH, SECURITY = "operons/math/OPERON.md", "zooids/04-security.md"


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (_edit(MATH, "version: v1", "version: 1"), "math/OPERON.md: version: "),
        (_edit(MATH, "name: math", "name: maths"), "name: is 'maths', but the folder is named"),
        (_edit(MATH, "budget_tokens: 900", "budget_tokens: 90"), "the budget is 90: shorten it"),
        (_edit(MATH, "triggers:", "trigger:"), "trigger: unknown key; known are name, version"),
        (_edit(MATH, "    - median", "    - m*"), "triggers.words.12: 'm*': each word needs"),
        (_edit(MATH, r"'\d ?%'", r"'(\d+)+?\1'"), "triggers.patterns.3: "),
        (_edit(MATH, "---\n# Math", "# Math"), "OPERON.md: "),
        (_edit("operons/math/tests.yaml", "loads:", "load:"), "tests.yaml: "),
        (_edit(SECURITY, "version: v1", "version: v0"), "04-security.md: version: "),
        (lambda r: (r / SECURITY).write_bytes(b"\xff\xfe"), "is not UTF-8 at byte 0"),
        (lambda r: (r / "operons/stray.md").write_text("x"), "only one folder an operon"),
        (lambda r: (r / "operons/empty").mkdir(), "empty/OPERON.md: No such file"),
        (lambda r: os.mkfifo(r / "operons/math/x") or None, "neither a regular file"),
        (lambda r: (r / "zooids/99-x.md").symlink_to("/etc/passwd"), "99-x.md"),
        (lambda r: (r / "genome/STANDING-ORDERS.md").unlink(), "STANDING-ORDERS.md: No such"),
        (lambda r: shutil.rmtree(r / "operons"), "operons"),
    ],
)
def test_a_mistake_is_located_and_the_rest_loads(root: Path, edit: Edit, expected: str) -> None:
    edit(root)
    loaded = load_below(root)
    assert expected in "\n".join(str(problem) for problem in loaded.problems)
    assert {zooid.head.name for zooid in loaded.zooids} >= {"00-operator", "01-standing-orders"}


def test_the_hash_is_absent_when_the_tree_has_no_canonical_form(root: Path) -> None:
    (root / "zooids" / "link.md").symlink_to("00-operator.md")
    assert load_below(root).hash is None


def test_a_changed_byte_changes_the_hash(root: Path) -> None:
    before: Loaded = load_below(root)
    _edit(MATH, "# Math", "# Maths")(root)
    after = load_below(root)
    assert before.hash != after.hash
    assert before.parts["zooids"] == after.parts["zooids"]
    assert before.parts["operons"] != after.parts["operons"]
