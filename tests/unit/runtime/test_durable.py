"""Durable writes: whole or absent, also when they fail half-way."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from meso_services.runtime import durable
from meso_services.runtime.errors import storage_error

REPOSITORY = Path(__file__).parents[3]


def test_a_file_is_written_replaced_and_never_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "file"
    durable.write(path, b"one")
    durable.write(path, b"two")
    with pytest.raises(FileExistsError):
        durable.write(path, b"three", replace=False)
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_an_append_says_where_it_begins(tmp_path: Path) -> None:
    path = tmp_path / "file"
    durable.write(path, b"one\n")
    assert durable.append(path, b"two\n") == 4
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"theirs")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic links"):
        durable.append(tmp_path / "link", b"x")
    durable.write(tmp_path / "link", b"ours")
    assert (tmp_path / "target").read_bytes() == b"theirs"


def limited() -> None:
    """In the child: no file may grow beyond 4 KiB; the kernel then writes only a part."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


@pytest.mark.parametrize("call", ["append(path, b'x' * 5000)", "write(path, b'x' * 5000)"])
def test_a_write_that_does_not_fit_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, call: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"kept\n")
    code = f"from pathlib import Path; from meso_services.runtime import durable; \
path = Path({str(path)!r}); durable.{call}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=limited,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "File too large" in done.stderr
    assert path.read_bytes() == b"kept\n"
    assert list(tmp_path.iterdir()) == [path]


def test_directories_are_made_below_what_exists(tmp_path: Path) -> None:
    durable.make_directories(tmp_path / "a/b/c", below=tmp_path, mode=0o700)
    durable.make_directories(tmp_path / "a/b/c", below=tmp_path)
    assert (tmp_path / "a/b/c").stat().st_mode & 0o777 == 0o700


def test_a_full_disk_and_a_broken_one_are_told_apart(tmp_path: Path) -> None:
    full = storage_error(OSError(28, "No space left on device"), tmp_path)
    broken = storage_error(OSError(5, "Input/output error"), tmp_path)
    assert (full.code, full.status) == ("storage.full", 507)
    assert (broken.code, broken.status) == ("storage.unwritable", 503)
