"""Files are fetched whole or not at all, over a real connection that breaks off and lies."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path
from typing import Any

import pytest

from meso_host import fetch
from meso_host.errors import HostError
from meso_host.fetch import Wanted

DATA = bytes(range(256)) * 4000


def wanted(data: bytes = DATA, name: str = "a_1.deb") -> Wanted:
    return Wanted(name, f"pool/{name}", len(data), hashlib.sha256(data).hexdigest())


def bring(way: Any, base: str, item: Wanted, into: Path) -> list[str]:
    into.mkdir(exist_ok=True)
    arrived: list[str] = []
    way(base, [item], into, lambda file: arrived.append(file.name))
    return arrived


WAYS = [
    fetch.by_http,
    pytest.param(
        fetch.by_apt,
        marks=pytest.mark.skipif(not fetch.APT_HELPER.exists(), reason="this host has no apt"),
    ),
]


@pytest.mark.parametrize("way", WAYS)
def test_a_file_arrives_whole(way: Any, mirror: Any, tmp_path: Path) -> None:
    """Name, content and report are right, and no partial file is left."""
    mirror.put("pool/a_1.deb", DATA)
    assert bring(way, mirror.url, wanted(), tmp_path / "in") == ["a_1.deb"]
    assert {p.name: p.read_bytes() for p in (tmp_path / "in").iterdir()} == {"a_1.deb": DATA}


@pytest.mark.parametrize("way", WAYS)
def test_a_file_with_other_content_gets_no_name(way: Any, mirror: Any, tmp_path: Path) -> None:
    """The same size with other bytes is not the locked file."""
    mirror.put("pool/a_1.deb", DATA[::-1])
    assert bring(way, mirror.url, wanted(), tmp_path / "in") == []
    assert not (tmp_path / "in/a_1.deb").exists()


@pytest.mark.parametrize("way", WAYS)
def test_a_file_that_the_mirror_lacks_is_left_out(way: Any, mirror: Any, tmp_path: Path) -> None:
    """The caller says what a missing file means; nothing is made of it here."""
    assert bring(way, mirror.url, wanted(), tmp_path / "in") == []
    assert not (tmp_path / "in/a_1.deb").exists()


@pytest.mark.parametrize("way", WAYS)
def test_a_reply_that_breaks_off_does_no_harm(way: Any, mirror: Any, tmp_path: Path) -> None:
    """Half a file is never taken for the whole; the rest comes with the next try."""
    mirror.put("pool/a_1.deb", DATA)
    mirror.cut = 1
    assert bring(way, mirror.url, wanted(), tmp_path / "in") == ["a_1.deb"]
    assert (tmp_path / "in/a_1.deb").read_bytes() == DATA


def test_a_broken_connection_is_continued_where_it_broke(mirror: Any, tmp_path: Path) -> None:
    """The second request asks only for the rest."""
    mirror.put("pool/a_1.deb", DATA)
    mirror.cut = 1
    assert bring(fetch.by_http, mirror.url, wanted(), tmp_path / "in") == ["a_1.deb"]
    assert mirror.ranges == ["", f"bytes={len(DATA) // 2}-"]
    assert mirror.sent == len(DATA)


def test_a_later_run_continues_an_earlier_one(mirror: Any, tmp_path: Path) -> None:
    """What an interrupted run left is used, and the whole is still checked."""
    mirror.put("pool/a_1.deb", DATA)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a_1.deb.part").write_bytes(DATA[:1000])
    assert bring(fetch.by_http, mirror.url, wanted(), tmp_path / "in") == ["a_1.deb"]
    assert mirror.ranges == ["bytes=1000-"]


def test_a_partial_file_of_something_else_is_started_anew(mirror: Any, tmp_path: Path) -> None:
    """A wrong beginning cannot be completed: it is thrown away and fetched again."""
    mirror.put("pool/a_1.deb", DATA)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a_1.deb.part").write_bytes(b"x" * 1000)
    assert bring(fetch.by_http, mirror.url, wanted(), tmp_path / "in") == ["a_1.deb"]
    assert (tmp_path / "in/a_1.deb").read_bytes() == DATA


@pytest.mark.parametrize("way", WAYS)
def test_nobody_listening_is_an_error_with_a_remedy(way: Any, tmp_path: Path) -> None:
    """An unreachable mirror is named, with what to check."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(HostError, match=base) as caught:
            bring(way, base, wanted(), tmp_path / "in")
    assert caught.value.code == "mirror.unreachable"


def test_a_full_disk_is_told_apart(mirror: Any, tmp_path: Path) -> None:
    """No room is not a network problem. /dev/full gives the real error of a full disk."""
    mirror.put("pool/a_1.deb", DATA)
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a_1.deb.part").symlink_to("/dev/full")
    with pytest.raises(HostError) as caught:
        bring(fetch.by_http, mirror.url, wanted(), tmp_path / "in")
    assert caught.value.code == "disk.full"


def test_other_schemes_are_refused(tmp_path: Path) -> None:
    """A mirror of `file:` would make this host's files part of the image."""
    with pytest.raises(HostError) as caught:
        bring(fetch.by_http, "file:///etc", wanted(), tmp_path / "in")
    assert caught.value.code == "mirror.scheme"
