"""What an operator relies on: equal identities hash alike, different ones do not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from meso_services.contract.identity_hash import (
    PARTS,
    IdentityError,
    identity_hash,
    part_hash,
    read_generation,
    read_part,
)

FILES = {
    "genome/STANDING-ORDERS.md": b"Serve.\n",
    "zooids/00-operator.md": b"operator\n",
    "operons/math/operon.md": b"1 + 1\n",
}


def tree(root: Path, files: dict[str, bytes]) -> Path:
    for part in PARTS:
        (root / part).mkdir(parents=True)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def test_two_copies_of_one_identity_hash_alike(tmp_path: Path) -> None:
    """Order of creation, modes, times, empty directories and dot files do not count."""
    first = tree(tmp_path / "a", FILES)
    second = tree(tmp_path / "b", dict(reversed(FILES.items())))
    (second / "genome/STANDING-ORDERS.md").chmod(0o700)
    os.utime(second / "zooids/00-operator.md", (1, 1))
    (second / "operons/empty").mkdir()
    (second / "genome/.git").mkdir()
    (second / "genome/.git/config").write_text("x")
    (second / "zooids/.00-operator.md.swp").write_text("x")
    assert read_generation(first) == read_generation(second)


@pytest.mark.parametrize(
    "change",
    [
        {**FILES, "genome/STANDING-ORDERS.md": b"Serve!\n"},
        {**FILES, "genome/STANDING-ORDERS.md": b"Serve.\r\n"},
        {**FILES, "genome/more.md": b""},
        {name: content for name, content in FILES.items() if "zooids" not in name},
        {name.replace("zooids/", "operons/"): content for name, content in FILES.items()},
    ],
    ids=["content", "line-ending", "added", "removed", "moved-to-another-part"],
)
def test_any_other_identity_hashes_differently(tmp_path: Path, change: dict[str, bytes]) -> None:
    one = read_generation(tree(tmp_path / "a", FILES)).hash
    other = read_generation(tree(tmp_path / "b", change)).hash
    assert one != other


def test_a_part_can_be_checked_by_hand_with_sha256sum(tmp_path: Path) -> None:
    """The documented recipe with coreutils gives the same hash."""
    part = tree(tmp_path / "t", {"genome/b.md": b"b", "genome/a/c.md": b"c"}) / "genome"
    recipe = (
        "(echo 'meso-identity-part 1';"
        " find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs sha256sum) | sha256sum"
    )
    done = subprocess.run(
        ["/bin/sh", "-c", recipe], cwd=part, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[0] == read_part(part).hash


def test_order_is_by_bytes_not_by_the_machine_s_locale() -> None:
    names = ["Z.md", "a.md", "é.md", "a/b.md"]
    digests = {name: "0" * 64 for name in names}
    assert part_hash(digests) == part_hash(dict(reversed(digests.items())))


def test_the_algorithm_stays_as_published() -> None:
    """A changed algorithm would make every instance look like a stranger."""
    empty = part_hash({})
    assert empty == "9846adb88ef413b187196fa796c5b88a4b6a0fdef51e6dfcf04df580d1cb9d9b"
    assert (
        identity_hash(dict.fromkeys(PARTS, empty))
        == "2c5b2a3264be50214961d10217f26de918ac1cb14b6fd12fa939176a5a510332"
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [("e\u0301.md", "NFC"), ("a\nb.md", "control character")],
)
def test_a_name_that_reads_differently_elsewhere_is_refused(
    tmp_path: Path, name: str, says: str
) -> None:
    root = tree(tmp_path / "t", {f"genome/{name}": b""})
    with pytest.raises(IdentityError, match=says):
        read_generation(root)


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    root = tree(tmp_path / "t", FILES)
    (root / "genome/passwd").symlink_to("/etc/passwd")
    with pytest.raises(IdentityError, match=r"genome/passwd.*Replace the link"):
        read_generation(root)


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    root = tree(tmp_path / "t", {})
    Path(os.fsdecode(os.fsencode(root / "genome") + b"/\xff.md")).write_bytes(b"")
    with pytest.raises(IdentityError, match="not UTF-8"):
        read_generation(root)


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    root = tree(tmp_path / "t", FILES)
    with pytest.raises(IdentityError, match="genome, operons, zooids"):
        identity_hash({"genome": read_part(root / "genome").hash})
