"""Users and groups: the lock's table and the overlay's files name the same ones."""

from __future__ import annotations

import json
from pathlib import Path

TREE = Path(__file__).parents[3]
OVERLAY = TREE / "images/debian/overlay"


def test_nobody_is_numbered_twice_and_the_tables_agree() -> None:
    table = json.loads((TREE / "images/debian/lock/users.json").read_text())
    ids = {user["name"]: user["uid"] for user in table["users"]}
    lines = (OVERLAY / "usr/lib/sysusers.d/meso.conf").read_text().splitlines()
    ours = {line.split()[1]: int(line.split()[2]) for line in lines if line.startswith("u ")}
    assert ours == {name: ids[name] for name in ours}
    assert len(set(ids.values())) == len(ids)


def test_every_owner_in_tmpfiles_exists() -> None:
    table = json.loads((TREE / "images/debian/lock/users.json").read_text())
    users = {user["name"] for user in table["users"]} | {"-"}
    groups = {group["name"] for group in table["groups"]} | {"-"}
    lines = (OVERLAY / "usr/lib/tmpfiles.d/meso.conf").read_text().splitlines()
    for words in (line.split() for line in lines if line and not line.startswith("#")):
        assert words[3] in users, words
        assert words[4] in groups, words
