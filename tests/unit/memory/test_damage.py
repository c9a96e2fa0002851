"""Whatever happens to the files, the engine is right or says that it is not."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from meso_services.memory.embedded.engine import (
    DATABASE,
    VECTORS,
    EmbeddedEngine,
    discard,
)
from meso_services.memory.engine import (
    Document,
    EngineDamaged,
    EngineFull,
    EngineMismatch,
    Floats,
)

Vector = Callable[[int], Floats]
DIMENSION = 16


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "engine"


def _opened(place: Path, dimension: int = DIMENSION, model: str = "m") -> EmbeddedEngine:
    return EmbeddedEngine(place, dimension, model)


def _filled(place: Path, vector: Vector) -> EmbeddedEngine:
    engine = _opened(place)
    engine.put(
        [Document(f"d{n:03}", "", f"word{n} shared " * 20, vector=vector(n)) for n in range(200)]
    )
    return engine


@pytest.mark.parametrize("file", [DATABASE, VECTORS])
@pytest.mark.parametrize("harm", ["empty", "half", "zeros", "text", "gone"])
def test_a_harmed_file_is_noticed_and_discarding_it_helps(
    place: Path, vector: Vector, file: str, harm: str
) -> None:
    _filled(place, vector).close()
    path = place / file
    size = path.stat().st_size
    match harm:
        case "empty":
            path.write_bytes(b"")
        case "half":
            os.truncate(path, size // 2 + 7)
        case "zeros":
            with path.open("r+b") as raw:
                raw.seek(size // 2)
                raw.write(bytes(size // 4))
        case "text":
            path.write_bytes(b"This is no index. " * (size // 18 + 1))
        case _:
            path.unlink()
    if file == DATABASE and harm in ("empty", "gone"):
        # Nothing is known of the vectors that are left: empty, as a new one is.
        engine = _opened(place)
        assert engine.count() == 0
    else:
        with pytest.raises(EngineDamaged):
            _opened(place)
        discard(place)
        engine = _opened(place)
    engine.put([Document("a", "", "fine", vector=vector(1))])
    assert engine.by_vector(vector(1))[0].id == "a"
    engine.close()


@pytest.mark.parametrize(("dimension", "model"), [(DIMENSION, "other"), (8, "m")])
def test_another_model_or_dimension_is_told(
    place: Path, vector: Vector, dimension: int, model: str
) -> None:
    _filled(place, vector).close()
    with pytest.raises(EngineMismatch, match="wanted"):
        _opened(place, dimension, model)
    again = _opened(place)
    assert again.count() == 200
    again.close()


def test_a_layout_of_another_version_is_told(place: Path, vector: Vector) -> None:
    _filled(place, vector).close()
    with sqlite3.connect(place / DATABASE) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(EngineMismatch, match="layout 99"):
        _opened(place)


def test_a_vector_that_rots_while_it_is_open_is_told(place: Path, vector: Vector) -> None:
    engine = _filled(place, vector)
    with (place / VECTORS).open("r+b") as raw:
        raw.seek(8 * DIMENSION * 4)  # numbers begin at 1
        raw.write(np.float32(0.31).tobytes())
    with pytest.raises(EngineDamaged, match="d007"):
        engine.by_vector(vector(7), limit=200)
    with pytest.raises(EngineDamaged, match="d007"):
        engine.get(["d007"])
    engine.close()


def test_a_file_that_shrinks_while_it_is_open_is_told(place: Path, vector: Vector) -> None:
    engine = _filled(place, vector)
    engine.by_vector(vector(1))
    os.truncate(place / VECTORS, 100)
    with pytest.raises(EngineDamaged):
        engine.by_vector(vector(1))
    engine.close()


@pytest.mark.parametrize("when", ["write", "commit"])
def test_an_interrupted_change_never_was(
    place: Path, vector: Vector, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    engine = _filled(place, vector)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    owner = engine._rows if when == "write" else engine._database
    with monkeypatch.context() as patch:
        patch.setattr(owner, when, full)
        with pytest.raises(EngineFull):
            engine.put([Document("d003", "", "changed", vector=vector(500))])
    for one in (engine, _opened(place)):
        assert one.count() == 200
        assert one.get(["d003"])[0].text.startswith("word3 ")
        assert one.by_vector(vector(3))[0].id == "d003"
        assert one.by_words(["changed"]) == []
        one.close()


def test_what_a_killed_process_committed_is_there(place: Path, vector: Vector) -> None:
    """The files as a process leaves them that ends without a word."""
    engine = _filled(place, vector)
    copy = place.with_name("copy")
    copy.mkdir()
    for file in place.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    engine.close()
    again = _opened(copy)
    assert again.count() == 200
    assert again.by_vector(vector(150))[0].id == "d150"
    again.close()


WRITER = """
import sys
from pathlib import Path
import numpy as np
from meso_services.memory.embedded.engine import EmbeddedEngine
from meso_services.memory.engine import Document
engine = EmbeddedEngine(Path(sys.argv[1]), 16, "m")
for n in range(int(sys.argv[2]), 100_000):
    row = np.random.default_rng(n).standard_normal(16).astype(np.float32)
    engine.put([Document(f"d{n}", "", f"word{n}", vector=row / np.linalg.norm(row))])
    if n % 3 == 0:
        engine.remove([f"d{n - 3}"])
    print(n, flush=True)
"""


def test_killed_while_it_writes_it_keeps_what_it_said_it_had(place: Path, vector: Vector) -> None:
    done = -1
    for wanted in (5, 23, 40):
        argv = [sys.executable, "-c", WRITER, str(place), str(done + 1)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for line in child.stdout:
                done = int(line)
                if done >= wanted:
                    child.kill()
                    break
            done = max([done, *map(int, child.stdout.read().split())])
        engine = _opened(place)
        for n in range(done + 1):
            gone = n % 3 == 0 and n + 3 <= done
            found = [one.id for one in engine.by_words([f"word{n}"])]
            assert found == ([] if gone else [f"d{n}"]) or n + 3 == done + 1
            if not gone and found:
                assert engine.by_vector(vector(n), limit=1)[0].id == f"d{n}"
        engine.close()


def test_scrubbed_nothing_of_what_was_removed_is_left_in_the_files(
    place: Path, vector: Vector
) -> None:
    engine = _filled(place, vector)
    secret = Document(
        "secret", "Hush", "xylophonicsecret twice", ("s",)[0], (), 0.0, 1.0, vector(9999)
    )
    engine.put([secret])
    engine.remove(["secret"])
    engine.scrub()
    engine.close()
    for file in place.iterdir():
        raw = file.read_bytes()
        assert b"xylophonicsecret" not in raw
        assert vector(9999).tobytes() not in raw
    again = _opened(place)
    assert again.count() == 200
    again.close()
