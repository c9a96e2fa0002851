"""A maintainer script that nobody has read fails the lock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meso_host.errors import HostError
from meso_host.lock import scripts
from meso_host.lock.scripts import Review, Reviews

ROOT = Path(__file__).resolve().parents[3]
POSTINST = b"#!/bin/sh\nset -e\n# Automatically added by dh_installsystemd/13.24.2\ntrue\n"


def reviewed(package: str, *found: scripts.Script) -> Reviews:
    """Reviews of exactly these scripts."""
    entries = [
        Review(
            package=package, script=s.name, sha256=(s.digest,), verdict="ignored", why="for a test"
        )
        for s in found
        if s.name not in ("prerm", "postrm")
    ]
    return Reviews(schema=1, never_run=("prerm", "postrm"), script=tuple(entries))


def read(make_deb: Any, name: str, **control: bytes) -> list[scripts.Script]:
    return list(scripts.of(name, make_deb(name, {"control": b"Package: x\n", **control})))


def test_an_unread_script_names_itself_and_the_remedy(make_deb: Any) -> None:
    """Package, script, and the command that prints it."""
    found = read(make_deb, "exim4", postinst=POSTINST)
    with pytest.raises(HostError, match=rf"exim4: postinst .*{found[0].digest}") as caught:
        scripts.check(found, reviewed("exim4"))
    assert caught.value.code == "lock.unreviewed"
    assert "./meso lock --review" in caught.value.remedy


def test_a_changed_script_must_be_read_again(make_deb: Any) -> None:
    """A review holds for the text that was read."""
    reviews = reviewed("exim4", *read(make_deb, "exim4", postinst=POSTINST))
    changed = read(make_deb, "exim4", postinst=POSTINST.replace(b"true", b"rm -rf /tmp/x"))
    with pytest.raises(HostError):
        scripts.check(changed, reviews)


def test_what_changes_without_meaning_needs_no_new_review(make_deb: Any) -> None:
    """debhelper's version, and the release that a kernel's scripts name."""
    script = b"#!/bin/sh\ndepmod 6.12.117+deb13-amd64\n"
    reviews = reviewed(
        "linux-image-KERNEL-amd64",
        *read(make_deb, "linux-image-6.12.117+deb13-amd64", postinst=script),
    )
    newer = read(
        make_deb,
        "linux-image-6.12.130+deb13+1-amd64",
        postinst=b"#!/bin/sh\ndepmod 6.12.130+deb13+1-amd64\n",
    )
    assert scripts.check(newer, reviews) == []
    reviews = reviewed("exim4", *read(make_deb, "exim4", postinst=POSTINST))
    other = read(make_deb, "exim4", postinst=POSTINST.replace(b"13.24.2", b"13.99"))
    assert scripts.check(other, reviews) == []


def test_scripts_of_removal_need_no_review(make_deb: Any) -> None:
    """An image's packages are never removed."""
    found = read(make_deb, "exim4", prerm=POSTINST, postrm=POSTINST)
    assert scripts.check(found, reviewed("exim4")) == []


def test_a_review_of_a_script_that_is_gone_is_reported(make_deb: Any) -> None:
    """The file of reviews does not silently fill up."""
    reviews = reviewed("exim4", *read(make_deb, "exim4", postinst=POSTINST))
    assert [r.package for r in scripts.check([], reviews)] == ["exim4"]


def test_every_review_points_at_something_that_exists() -> None:
    """`done-by:` must not name a step that was renamed or removed."""
    for review in scripts.load(ROOT / scripts.REVIEWS).script:
        for path in review.steps():
            assert (ROOT / path).exists(), f"{review.package} {review.script}: {path}"


def test_a_truncated_package_is_refused(make_deb: Any) -> None:
    """Half a package has no scripts to review, and must not pass as one without."""
    path = make_deb("exim4", {"postinst": POSTINST})
    path.write_bytes(path.read_bytes()[:90])
    with pytest.raises(HostError) as caught:
        list(scripts.of("exim4", path))
    assert caught.value.code == "deb.broken"
