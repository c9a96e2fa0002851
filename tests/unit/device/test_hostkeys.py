"""The machine's SSH identity is made once, and a key that a power cut left broken is made again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from meso_services.boot.hostkeys import NAME, ensure, usable

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")


def test_the_key_is_made_once_and_stays(tmp_path: Path) -> None:
    assert ensure(tmp_path)
    key = (tmp_path / NAME).read_bytes()
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / f"{NAME}.pub").read_text().startswith("ssh-ed25519 ")
    assert not ensure(tmp_path)
    assert (tmp_path / NAME).read_bytes() == key


@pytest.mark.parametrize("content", [b"", b"half a key"])
def test_a_broken_key_is_replaced(tmp_path: Path, content: bytes) -> None:
    key = tmp_path / NAME
    key.write_bytes(content)
    key.chmod(0o600)
    assert ensure(tmp_path)
    assert usable(key)


def test_what_an_interrupted_run_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / f".{NAME}.new").write_bytes(b"")
    (tmp_path / f".{NAME}.new.pub").write_bytes(b"")
    assert ensure(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, f"{NAME}.pub"]
