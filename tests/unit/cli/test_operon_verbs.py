"""`meso operon` and `meso identity` on the operator's computer: what is printed, and the status."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from meso_cli.__main__ import main

GENOME = Path(__file__).resolve().parents[3] / "genome"


@pytest.fixture
def meso(capsys: pytest.CaptureFixture[str]) -> Any:
    """`meso("operon", "list", ...)` → (exit status, what --json printed)."""

    def run(*words: object) -> tuple[int, Any]:
        status = main([*map(str, words), "--json"])
        return status, json.loads(capsys.readouterr().out)

    return run


def test_a_new_operon_is_linted_published_and_found(meso: Any, tmp_path: Path) -> None:
    folder, site, keys = tmp_path / "garden", tmp_path / "site", tmp_path / "keys"
    assert meso("operon", "new", "garden", "--in", tmp_path) == (0, {"folder": str(folder)})
    assert meso("operon", "lint", folder) == (0, {"operons": 1, "problems": []})
    where = ("--registry", site, "--keys", keys)
    status, done = meso("operon", "publish", "--new", folder, *where)
    assert (status, done["listed"]) == (0, ["garden v1"])
    assert all(stat.S_IMODE(key.stat().st_mode) == 0o600 for key in keys.iterdir())
    assert meso("operon", "publish", "--rotate", "timestamp", *where)[0] == 0
    text = (folder / "OPERON.md").read_text()
    (folder / "OPERON.md").write_text(text + "More.\n")
    status, refused = meso("operon", "publish", folder, *where)
    assert (status, refused["error"]["code"]) == (1, "registry.version_exists")
    assert meso("operon", "publish", "--withdraw", "garden@v1", *where)[1]["listed"] == []


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (("--new", "--days", "root"), 2, "cli.usage"),
        (("--rotate", "king"), 2, "cli.usage"),
        (("--withdraw", "garden"), 2, "cli.usage"),
        ((), 1, "registry.none"),
    ],
)
def test_publishing_wrongly_is_explained(
    meso: Any, tmp_path: Path, words: tuple[str, ...], status: int, code: str
) -> None:
    place = ("--registry", tmp_path / "site", "--keys", tmp_path / "keys")
    got, said = meso("operon", "publish", *words, *place)
    assert (got, said["error"]["code"]) == (status, code)


def test_keys_behind_a_passphrase_open_with_it_only(meso: Any, tmp_path: Path) -> None:
    (tmp_path / "phrase").write_text("correct horse\n")
    (tmp_path / "wrong").write_text("battery\n")
    where = ("--registry", tmp_path / "site", "--keys", tmp_path / "keys")
    locked = (*where, "--passphrase-file", tmp_path / "phrase")
    assert meso("operon", "publish", "--new", *locked)[0] == 0
    status, said = meso("operon", "publish", *where, "--passphrase-file", tmp_path / "wrong")
    assert (status, said["error"]["code"]) == (1, "registry.bad_key")


def test_why_reads_a_genome_of_this_computer(meso: Any) -> None:
    status, reply = meso("operon", "why", "--genome", GENOME, "What is 17 * 23")
    assert (status, [o["name"] for o in reply["loaded"]]) == (0, ["math"])
    status, said = meso("operon", "why", "--genome", "/nonexistent", "x")
    assert (status, said["error"]["code"]) == (1, "operon.no_genome")


def test_identities_are_compared_and_verified(meso: Any, tmp_path: Path) -> None:
    shown = meso("identity", "show", GENOME)[1]
    assert meso("identity", "verify", GENOME, "--expect", shown["hash"])[0] == 0
    assert meso("identity", "verify", GENOME, "--expect", "0" * 64)[0] == 1
    other = tmp_path / "other"
    shutil.copytree(GENOME, other)
    assert meso("identity", "diff", GENOME, other)[0] == 0
    (other / "STANDING-ORDERS.md").write_text("# Other orders\n")
    status, found = meso("identity", "diff", GENOME, other)
    assert (status, [f["path"] for f in found["files"]]) == (1, ["STANDING-ORDERS.md"])
    assert "+# Other orders" in found["diffs"]["genome/STANDING-ORDERS.md"]


def test_what_needs_an_appliance_says_how_to_reach_one(meso: Any) -> None:
    for words in (("operon", "add", "x"), ("identity", "conflicts"), ("identity", "show")):
        status, said = meso(*words)
        assert (status, said["error"]["code"]) == (1, "cli.not_an_appliance")
