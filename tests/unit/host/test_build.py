"""A build that cannot be says why, and what to do."""

from __future__ import annotations

import pytest

from meso_host import build
from meso_host.errors import HostError
from meso_host.lock.model import Meta, load

# What Nix 2.8 printed, word for word, when these things happened.
NO_NAMESPACES = "error: setting up a private mount namespace: Operation not permitted"
NO_ROOM = "error: writing to file: No space left on device"
NOT_THE_SAME = (
    "error: derivation '/nix/store/0fm9rzxkq9p7y6ps2gqk4x0c7vzp3g0q-uki-vps.drv' may not be "
    "deterministic: output '/nix/store/1fm9rzxkq9p7y6ps2gqk4x0c7vzp3g0q-uki-vps' differs"
)
REFUSED = "error: builder for '/nix/store/x-generation-mine.drv' failed with exit code 1;\n  > hm"


@pytest.mark.parametrize(
    ("said", "code", "names"),
    [
        (NO_NAMESPACES, "nix.sandbox", "namespaces"),
        (NO_ROOM, "disk.full", "MiB are free"),
        (NOT_THE_SAME, "build.differs", "uki-vps"),
        (REFUSED, "build.failed", "hm"),
    ],
)
def test_what_nix_says_becomes_a_message_with_a_remedy(said: str, code: str, names: str) -> None:
    error = build.explain(said.splitlines())
    assert error.code == code
    assert names in f"{error} {error.remedy}"
    assert error.remedy


@pytest.mark.parametrize("name", ["nowhere", "../configs/vps", ""])
def test_an_appliance_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(HostError) as refused:
        build.configuration(name)
    assert refused.value.code == "build.no_such_appliance"
    assert "x86-minipc" in str(refused.value.remedy)


def test_a_lock_older_than_thirty_days_is_said() -> None:
    """The cadence is a week; nobody should build a month-old appliance without knowing it."""
    locked = load(build.locks(), "meta", Meta).epoch
    assert build.age(locked + 29 * 86400) == ""
    assert "locked 31 days ago" in build.age(locked + 31 * 86400)
