"""The file of secrets: what is kept comes back, and what is not ours is refused and not lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meso_services.api_proxy.secrets.box import seal, unseal
from meso_services.api_proxy.secrets.store import SecretStore
from meso_services.runtime.errors import MesoError
from meso_services.runtime.redact import redact

KEY = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secrets" / "secrets.sealed"


def test_a_secret_outlives_the_process_and_is_not_in_the_file(path: Path) -> None:
    SecretStore(path, KEY).set("anthropic", "the-value-itself")
    again = SecretStore(path, KEY)
    assert again.get("anthropic") == again.get("meso.anthropic") == "the-value-itself"
    raw = path.read_bytes()
    assert b"the-value-itself" not in raw
    assert b"anthropic" not in raw
    assert path.stat().st_mode & 0o777 == 0o600
    assert "the-value-itself" not in repr(again.known())


def test_a_value_that_looks_like_nothing_is_masked_in_logs(path: Path) -> None:
    SecretStore(path, KEY).set("odd", "correct horse battery")
    assert redact("upstream said: correct horse battery!") == "upstream said: [redacted]!"


def test_rotation_replaces_and_counts(path: Path) -> None:
    store = SecretStore(path, KEY)
    with pytest.raises(MesoError) as missing:
        store.set("a", "one-value", "rotate")
    assert missing.value.code == "secrets.not_found"
    store.set("a", "one-value", "create")
    with pytest.raises(MesoError) as there:
        store.set("a", "two-value", "create")
    assert there.value.code == "secrets.exists"
    _, rotated = store.set("a", "two-value", "rotate")
    assert (rotated.rotations, SecretStore(path, KEY).get("a")) == (1, "two-value")
    assert store.delete("a") is True
    assert store.delete("a") is False
    assert SecretStore(path, KEY).known() == {}


def test_without_a_key_nothing_is_kept(path: Path) -> None:
    with pytest.raises(MesoError) as refused:
        SecretStore(path, None).set("a", "value-a")
    assert refused.value.code == "secrets.no_key"
    assert not path.exists()


def test_another_devices_file_is_kept_aside(path: Path) -> None:
    """A restored disk: the old secrets cannot be read, and setting one does not lose them."""
    SecretStore(path, KEY).set("a", "value-a")
    old = path.read_bytes()
    other = SecretStore(path, os.urandom(32))
    assert other.problem
    assert other.get("a") is None
    other.set("b", "value-b")
    assert path.with_suffix(".unreadable").read_bytes() == old
    assert other.problem == ""


def test_a_changed_byte_is_noticed_and_the_known_values_stay(path: Path) -> None:
    store = SecretStore(path, KEY)
    store.set("a", "value-a")
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    store.read()
    assert store.problem
    assert store.get("a") == "value-a"


@given(st.binary(max_size=300))
def test_any_file_is_refused_or_read(raw: bytes) -> None:
    with pytest.raises(MesoError):
        unseal(KEY, raw)


@given(st.binary(max_size=300))
def test_what_is_sealed_comes_back_and_never_looks_the_same(plain: bytes) -> None:
    first, second = seal(KEY, plain), seal(KEY, plain)
    assert first != second
    assert unseal(KEY, first) == plain
