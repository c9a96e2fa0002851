"""Every user and group has a fixed number, or the lock fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from meso_host.errors import HostError
from meso_host.lock import model, users

ROOT = Path(__file__).resolve().parents[3]
NUMBERS = users.Numbers(schema=1, numbers={"alpha": 801, "beta": 802}, scripted={"beta": "pkg-b"})


def table(text: str, numbers: users.Numbers = NUMBERS) -> model.UserLock:
    return users.table(users.parse("pkg", text), numbers)


def test_a_user_gets_its_number_a_group_of_its_own_and_no_shell() -> None:
    """What sysusers would make, with the number from the table instead of the next free one."""
    made = table('u! alpha - "Alpha of Tests" /nonexistent\n')
    assert made.users[0].model_dump() == {
        "name": "alpha",
        "uid": 801,
        "group": "alpha",
        "gecos": "Alpha of Tests",
        "home": "/nonexistent",
        "shell": "/usr/sbin/nologin",
        "source": "pkg",
    }
    assert [(g.name, g.gid, g.source) for g in made.groups] == [
        ("alpha", 801, "pkg"),
        ("beta", 802, "pkg-b"),
    ]


def test_numbers_do_not_depend_on_the_order_of_packages() -> None:
    """The reason for the table: a package that joins must not shift anybody."""
    lines = 'g one 5 -\nu alpha -\nu two 7:one "Two"\nm two one\n'
    assert table(lines) == table("\n".join(reversed(lines.splitlines())))


def test_a_user_without_a_number_names_its_package_and_the_next_free_number() -> None:
    """The remedy is one line in users.toml."""
    with pytest.raises(HostError, match=r"newcomer \(of pkg\)") as caught:
        table("u newcomer - -\n")
    assert caught.value.code == "lock.unknown-user"
    assert "803" in caught.value.remedy


def test_two_users_with_one_number_are_refused() -> None:
    """Two names for one number would own each other's files."""
    with pytest.raises(HostError, match=r"alpha and other|other and alpha") as caught:
        table("u alpha - -\nu other 801 -\n")
    assert caught.value.code == "users.collision"


def test_the_committed_table_fits_the_overlay() -> None:
    """The services' users have the numbers that the overlay's sysusers.d says."""
    locked = model.load(ROOT / model.LOCK_DIR, "users", model.UserLock)
    uids = {user.name: user.uid for user in locked.users}
    for line in users.of_overlay(ROOT / users.OVERLAY):
        if line.kind == "u":
            assert uids[line.name] == int(line.number)
    meso = next(g for g in locked.groups if g.name == "meso")
    assert {"operator", "meso-api-proxy"} <= set(meso.members)
