"""The device's key, made by the real systemd-creds under a host key of the test's own."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from meso_services.boot import device_key

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("systemd-creds") is None,
    reason="needs root and systemd-creds",
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYSTEMD_CREDENTIAL_SECRET", str(tmp_path / "credential.secret"))
    return tmp_path


def ensure(place: Path) -> bytes:
    """The sealed key that systemd would find."""
    bound = device_key.ensure(place / "device", place / "store", place / "word.json")
    assert json.loads((place / "word.json").read_text())["protection"] == bound
    return (place / "store" / device_key.NAME).read_bytes()


def test_the_key_is_made_once_and_offered_at_each_boot(place: Path) -> None:
    first = ensure(place)
    shutil.rmtree(place / "store")
    assert ensure(place) == first
    kept = place / "device" / f"{device_key.NAME}.cred"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert device_key.readable(kept)


def test_a_key_of_another_machine_is_kept_aside(place: Path) -> None:
    first = ensure(place)
    (place / "credential.secret").unlink()
    second = ensure(place)
    assert second != first
    assert (place / "device" / f"{device_key.NAME}.unreadable").read_bytes() == first


def test_a_torn_key_is_made_again(place: Path) -> None:
    ensure(place)
    kept = place / "device" / f"{device_key.NAME}.cred"
    kept.write_bytes(kept.read_bytes()[:20])
    ensure(place)
    assert device_key.readable(kept)
