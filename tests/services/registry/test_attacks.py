"""What TUF promises, one attack after the other: each refused with a code and a reason."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import MetaFile

from meso_host.registry.keys import ROLES, Keys
from meso_host.registry.repository import DAYS, Repository
from meso_services.runtime.errors import MesoError

LONG_AGO = datetime.now(UTC) - timedelta(days=400)


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(MesoError) as caught:
        work()
    assert caught.value.message
    assert caught.value.hint
    return caught.value.code


def test_a_client_lists_and_brings_what_was_signed(site: Any) -> None:
    listing = site.client().refresh()
    (entry,) = listing.entries
    assert (entry.head.name, entry.head.version) == ("math", "v1")
    assert b"# Math" in site.client().fetch(entry)


def test_rollback_of_the_timestamp(site: Any, next_version: Path) -> None:
    old = site.file("timestamp.json").read_bytes()
    site.publish(next_version)
    site.client().refresh()
    site.file("timestamp.json").write_bytes(old)
    assert refused(site.client().refresh) == "registry.rollback"


def test_rollback_of_the_snapshot_by_whoever_has_the_timestamp_key(
    site: Any, next_version: Path
) -> None:
    old = site.newest("snapshot").read_bytes()
    site.publish(next_version)
    site.client().refresh()

    def change(timestamp: Any) -> None:
        timestamp.version += 1
        version = site.repository._numbers("snapshot")[0]
        timestamp.snapshot_meta = MetaFile.from_data(min(2, version), old, ["sha256"])

    site.forge(site.file("timestamp.json"), change, "timestamp")
    assert refused(site.client().refresh) == "registry.rollback"


def _new_timestamp(site: Any, snapshot: bytes, version: int) -> None:
    def change(timestamp: Any) -> None:
        timestamp.version += 1
        timestamp.snapshot_meta = MetaFile.from_data(version, snapshot, ["sha256"])

    site.forge(site.file("timestamp.json"), change, "timestamp")


def _new_snapshot(site: Any, targets_version: int) -> None:
    number = max(site.repository._numbers("snapshot")) + 1

    def change(snapshot: Any) -> None:
        snapshot.version = number
        snapshot.meta["targets.json"] = MetaFile(version=targets_version)

    raw = site.forge(site.newest("snapshot"), change, "snapshot", to=f"{number}.snapshot.json")
    _new_timestamp(site, raw, number)


def test_rollback_of_the_targets_by_whoever_has_both_online_keys(
    site: Any, next_version: Path
) -> None:
    site.publish(next_version)
    site.client().refresh()
    _new_snapshot(site, targets_version=1)
    assert refused(site.client().refresh) == "registry.rollback"


def test_rollback_of_the_root(site: Any) -> None:
    site.client().refresh()
    shutil.copy(site.file("1.root.json"), site.file("2.root.json"))
    assert refused(site.client().refresh) == "registry.rollback"


@pytest.mark.parametrize("role", ROLES)
def test_freeze_is_bounded_by_the_expiry_of_every_role(
    tmp_path: Path, site: Any, role: str
) -> None:
    """The same registry, where one role's signature has run out."""
    days = {**DAYS, role: -1}
    site.repository = Repository(site.repository.directory, site.repository.keys, days)
    site.repository.rotate("timestamp")  # signs all four again
    assert refused(site.client().refresh) == "registry.expired"


def test_mix_and_match(site: Any, next_version: Path) -> None:
    """A snapshot of another day beside today's timestamp is not the one that was signed."""
    old = site.newest("snapshot").read_bytes()
    site.publish(next_version)
    site.newest("snapshot").write_bytes(old)
    assert refused(site.client().refresh) == "registry.tampered"


def test_mix_and_match_of_targets(site: Any, next_version: Path) -> None:
    old = site.newest("targets").read_bytes()
    site.publish(next_version)
    site.newest("targets").write_bytes(old)
    assert refused(site.client().refresh) == "registry.rollback"


def _endless(handler: SimpleHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b"x" * 65536)
    except OSError:
        return


@pytest.mark.parametrize("what", ["timestamp.json", "1.root.json", ".snapshot.json"])
def test_endless_metadata(site: Any, what: str) -> None:
    site.answers[what] = _endless
    assert refused(site.client().refresh) == "registry.too_large"


def test_an_endless_operon(site: Any) -> None:
    (entry,) = site.client().refresh().entries
    site.answers["v1.json"] = _endless
    assert refused(lambda: site.client().fetch(entry)) == "registry.too_large"


def test_a_trickle_of_bytes(site: Any) -> None:
    def slow(handler: SimpleHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(100):
                handler.wfile.write(b" ")
                time.sleep(0.1)
        except OSError:
            return

    site.answers["timestamp.json"] = slow
    began = time.monotonic()
    assert refused(site.client().refresh) == "registry.slow"
    assert time.monotonic() - began < 8


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_metadata_of_another_key(site: Any, tmp_path: Path, role: str) -> None:
    """Whoever controls the server, and no key, signs with keys of their own."""
    other = Keys(tmp_path / "other")
    other.create()
    site.repository = Repository(site.repository.directory, other, DAYS)
    path = site.file("timestamp.json") if role == "timestamp" else site.newest(role)
    raw = site.forge(path, lambda signed: None, role)
    site.repository = Repository(site.repository.directory, Keys(tmp_path / "keys"), DAYS)
    if role == "snapshot":
        version = max(site.repository._numbers("snapshot"))
        _new_timestamp(site, raw, version)
    assert refused(site.client().refresh) == "registry.unsigned"


def test_unsigned_metadata(site: Any) -> None:
    site.forge(site.file("timestamp.json"), lambda signed: None)
    assert refused(site.client().refresh) == "registry.unsigned"


@pytest.mark.parametrize("role", ROLES)
def test_a_rotated_key_is_followed_and_the_old_one_counts_no_more(
    site: Any, tmp_path: Path, role: str, next_version: Path
) -> None:
    known = site.client("known")
    known.refresh()
    stolen = tmp_path / "stolen"
    shutil.copytree(tmp_path / "keys", stolen)
    site.repository.rotate(role)
    site.publish(next_version)
    for client in (site.client("known"), site.client("fresh")):
        assert {e.head.version for e in client.refresh().entries} == {"v1", "v2"}
    thief = Repository(site.repository.directory, Keys(stolen), DAYS)
    if role == "root":
        thief.rotate("timestamp")  # a root that only the revoked key has signed
    else:
        path = site.file("timestamp.json") if role == "timestamp" else site.newest(role)
        site.repository = thief

        def bump(signed: Any) -> None:
            signed.version += 1

        if role == "timestamp":
            site.forge(path, bump, role)
        else:
            number = max(thief._numbers(role)) + 1
            raw = site.forge(path, bump, role, to=f"{number}.{role}.json")
            site.repository = Repository(site.repository.directory, Keys(tmp_path / "keys"), DAYS)
            if role == "snapshot":
                _new_timestamp(site, raw, number)
            else:
                _new_snapshot(site, number)
    assert refused(site.client("known").refresh) == "registry.unsigned"


def test_a_fast_forward_is_healed_by_new_keys(site: Any) -> None:
    """A thief raises the versions to the sky; after a rotation clients go on without help."""
    _new_snapshot(site, targets_version=max(site.repository._numbers("targets")))

    def sky(timestamp: Any) -> None:
        timestamp.version = 2**31

    site.forge(site.file("timestamp.json"), sky, "timestamp")
    before = site.file("timestamp.json").read_bytes()
    site.client().refresh()

    def back(timestamp: Any) -> None:
        timestamp.version = 10

    site.forge(site.file("timestamp.json"), back, "timestamp")
    assert refused(site.client().refresh) == "registry.rollback"
    site.file("timestamp.json").write_bytes(before)
    site.repository.rotate("snapshot")
    site.repository.rotate("timestamp")
    site.forge(site.file("timestamp.json"), back, "timestamp")
    assert site.client().refresh().entries


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda raw: raw.replace(b"# Math", b"# Moth"), "registry.tampered"),
        (lambda raw: raw[:-1], "registry.tampered"),
        (lambda raw: raw + b" ", "registry.too_large"),
        (lambda raw: b"", "registry.tampered"),
    ],
)
def test_an_operon_that_is_not_the_signed_one(
    site: Any, change: Callable[[bytes], bytes], code: str
) -> None:
    (entry,) = site.client().refresh().entries
    (path,) = (site.repository.directory / "targets/operons/math").iterdir()
    path.write_bytes(change(path.read_bytes()))
    assert refused(lambda: site.client().fetch(entry)) == code
    assert site.client().cached(entry) is None


def test_an_operon_that_nobody_signed_cannot_be_asked_for(site: Any) -> None:
    (entry,) = site.client().refresh().entries
    stray = entry.model_copy(update={"sha256": "0" * 64})
    assert refused(lambda: site.client().fetch(stray)) == "registry.withdrawn"


def test_a_missing_file(site: Any) -> None:
    (entry,) = site.client().refresh().entries
    shutil.rmtree(site.repository.directory / "targets")
    assert refused(lambda: site.client().fetch(entry)) == "registry.incomplete"


def test_a_registry_of_another_root(site: Any) -> None:
    client = site.client("other", root_sha256="0" * 64)
    assert refused(client.refresh) == "registry.wrong_root"


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"[" * 10_000, b'{"signed": 1}', b"\xff"])
def test_metadata_that_is_none(site: Any, raw: bytes) -> None:
    site.file("timestamp.json").write_bytes(raw)
    assert refused(site.client().refresh) == "registry.invalid"


def test_a_target_that_lies_about_itself_is_not_listed(site: Any) -> None:
    targets = site.repository.targets()
    target = targets.targets["operons/math/v1.json"]
    targets.targets["operons/other/v1.json"] = target
    site.repository.release(targets)
    listing = site.client().refresh()
    assert [e.head.name for e in listing.entries] == ["math"]
    assert "says that it is math v1" in listing.problems[0]


def test_offline_the_cache_serves_within_its_time_and_no_longer(site: Any) -> None:
    (entry,) = site.client().refresh().entries
    raw = site.client().fetch(entry)
    site.url = "http://127.0.0.1:1"
    listing = site.client().listing()
    assert listing.entries == (entry,)
    assert listing.offline
    assert site.client().fetch(entry) == raw
    site.clock.append(datetime.now(UTC) + timedelta(seconds=3601))
    assert refused(site.client().listing) == "registry.cache_expired"
    assert refused(lambda: site.client().fetch(entry)) == "registry.cache_expired"
    site.clock.append(datetime.now(UTC) - timedelta(days=2))
    assert refused(site.client().listing) == "registry.cache_expired"
    assert refused(site.client("new").listing) == "registry.unreachable"


def test_what_is_withdrawn_comes_no_more_even_from_the_cache(site: Any, next_version: Path) -> None:
    (entry,) = site.client().refresh().entries
    site.client().fetch(entry)
    targets = site.repository.targets()
    del targets.targets[entry.target]
    site.repository.release(targets)
    assert refused(lambda: site.client().fetch(entry)) == "registry.withdrawn"


def test_a_damaged_cache_is_brought_again(site: Any) -> None:
    (entry,) = site.client().refresh().entries
    raw = site.client().fetch(entry)
    (cached,) = site.client_place.glob(f"**/cache/{entry.sha256}")
    cached.write_bytes(b"garbage")
    assert site.client().cached(entry) is None
    assert site.client().fetch(entry) == raw
