"""A machine's state is kept until somebody says --fresh, whatever happens to its image."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from meso_host.errors import HostError
from meso_host.vm import disk, login, verb
from meso_host.vm.files import Files
from meso_host.vm.guest import Guest
from meso_host.vm.machine import Machine
from meso_services.runtime import process

pytestmark = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="QEMU is not installed")


def make_image(directory: Path, arch: str = "amd64") -> Path:
    directory.mkdir()
    facts = {"schema": 1, "arch": arch, "version": "0.1.0"}
    (directory / "image.json").write_text(json.dumps(facts), encoding="utf-8")
    with (directory / "disk.img").open("wb") as file:
        file.write(directory.name.encode().ljust(4096, b"\0"))
        file.truncate(4 << 20)
    (directory / "disk.img").chmod(0o444)
    return directory


@pytest.fixture
def work(tmp_path: Path, state: Path) -> Iterator[Path]:
    assert state.parent == tmp_path
    yield tmp_path
    Guest(Files(login.directory("box")), Machine()).kill()


def start(image: Path, *, fresh: bool = False) -> verb.Ready:
    return verb.start("box", lambda _note: image, fresh=fresh, wait=False)


def first_bytes(files: Files) -> bytes:
    process.run(["qemu-img", "convert", "-O", "raw", files.disk, files.directory / "flat"])
    with (files.directory / "flat").open("rb") as file:
        return file.read(3)


def scribble(files: Files) -> None:
    process.run(["qemu-io", "-c", "write -P 0x5a 0 512", str(files.disk)])


def test_the_state_survives_a_stop_and_a_new_image_and_goes_only_when_told(work: Path) -> None:
    one, two = make_image(work / "one"), make_image(work / "two")
    files = Files(login.directory("box"))

    assert start(one).outdated is None
    assert first_bytes_after_stop(files) == b"one"
    scribble(files)

    ready = start(two)
    assert ready.outdated == two
    assert "meso vm box --fresh" in ready.text()
    assert first_bytes_after_stop(files) == b"ZZZ", "the state is kept"
    assert start(two).outdated == two, "and it is said every time"

    assert start(two, fresh=True).outdated is None
    assert first_bytes_after_stop(files) == b"two"


def first_bytes_after_stop(files: Files) -> bytes:
    Guest(files, Machine()).kill()
    return first_bytes(files)


def test_a_running_machine_is_left_alone(work: Path) -> None:
    image = make_image(work / "one")
    start(image)
    pid = Files(login.directory("box")).running()
    start(image)
    assert Files(login.directory("box")).running() == pid


def test_an_image_that_is_gone_is_an_error_that_names_the_way_out(work: Path) -> None:
    start(make_image(work / "one"))
    Guest(Files(login.directory("box")), Machine()).kill()
    shutil.rmtree(work / "one")
    with pytest.raises(HostError, match="is gone") as caught:
        start(make_image(work / "two"))
    assert "--fresh" in caught.value.remedy
    assert Files(login.directory("box")).disk.exists()


def test_a_broken_record_is_an_error_and_not_a_new_machine(work: Path) -> None:
    directory = login.directory("box")
    directory.mkdir(parents=True)
    (directory / "vm.json").write_text("{", encoding="utf-8")
    with pytest.raises(HostError, match=r"vm\.json cannot be read"):
        start(make_image(work / "one"))
    (directory / "vm.json").unlink()


def test_a_directory_without_an_image_is_refused(work: Path) -> None:
    with pytest.raises(HostError, match="holds no image"):
        disk.read_image(work)


def test_a_raw_copy_is_as_large_as_asked_and_takes_only_what_it_holds(work: Path) -> None:
    image = disk.read_image(make_image(work / "one"))
    disk.copy_raw(image, work / "raw", gib=4)
    assert (work / "raw").stat().st_size == 4 << 30
    assert (work / "raw").stat().st_blocks * 512 < 1 << 20
    with (work / "raw").open("rb") as file:
        assert file.read(3) == b"one"
