"""The command `mind` as its description has it, on a directory, with a loopback model."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from meso_cli.mind import main as mind
from meso_services.mind import changing, session, state

from .test_sessions import CONFIG, TOPICS, made, reply, run
from .test_sessions import same as equal
from .upstream import Upstream, serving


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Any:
    """`call("status")` gives its exit status, what it printed, and its complaints."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("MESO_MIND", raising=False)

    def done(*words: str, given: bytes | None = None) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["mind", *words])
        if given is not None:
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given)))
        status = mind()
        return status, *capsys.readouterr()

    return done


def test_the_words_of_the_description(call: Any, tmp_path: Path) -> None:
    def answer(_: dict[str, Any], number: int) -> str:
        return reply([TOPICS[number % 3], f"idea {number}"], "Well." if number % 4 == 3 else None)

    place = tmp_path / "session"
    with serving(Upstream(answer)) as upstream:
        assert call("init", str(place), "initial prompt")[0] == 0
        assert call("open", str(place))[0] == 0
        for setting in ("embedding_model=test/vectors", "embedding_dim=16", "k_samples=10"):
            assert call("config", "--set", setting)[0] == 0
        assert json.loads(call("config", "--json")[1])["k_samples"] == 10
        at = ("--endpoint", upstream.url)
        status, told, progress = call(*at, "run")
        assert (status, "Well." in told) == (0, True)
        assert progress.count("iteration") == 4
        assert call(*at, "run", "10")[0] == 0
        assert call(*at, "run", "--max", "2")[0] == 0
        status, _, debug = call(*at, "step", "--debug")
        assert "----- request -----" in debug
        assert "thinking_pool:" in debug
        assert call("message", "hello")[0] == 0
        file = tmp_path / "prompt.md"
        file.write_text("from a file")
        assert call("message", "-f", str(file))[0] == 0
        assert call("message", given=b"from a pipe")[0] == 0
        assert call("message", "--to", "mind_1", "hello")[0] == 1
        held = json.loads(call("status", "--json")[1])
        assert held["iteration"] == state.open_mind(place).iteration >= 15
        rows = json.loads(call("cluster", "status", "--json")[1])
        assert rows[0]["name"] == "cluster_0"
        members = json.loads(call("cluster", "show", "cluster_0", "--json")[1])
        assert len(members) == rows[0]["size"]
        assert call("cluster", "split", "cluster_0", "--dry-run")[0] == 0
    said = [line["text"] for line in json.loads(call("history", "--json")[1]) if "text" in line]
    assert said[-3:] == ["hello", "from a file", "from a pipe"]


def test_options_may_stand_anywhere(call: Any, tmp_path: Path) -> None:
    for number, words in enumerate((("--offline", "hi"), ("hi", "--offline"))):
        place = str(tmp_path / f"s{number}")
        assert call("init", place, *words)[0] == 0
        assert [m.text for m in state.open_mind(Path(place)).pool()] == ["hi"]
    for wrong in (("run", "0"), ("run", "x"), ("run", "-1"), ("run", "1", "2"), ("init",)):
        with pytest.raises(SystemExit) as end:
            call(*wrong)
        assert end.value.code == 2


@pytest.mark.parametrize(
    "words",
    [
        *(("analyze", what) for what in ("overview", "diversity", "novelty", "attractors")),
        *(("analyze", what) for what in ("clusters", "trajectory", "impact", "windows")),
        ("analyze", "lineage", "--thought", "3"),
        ("analyze", "lineage", "--message", "0"),
    ],
)
def test_analyses_have_a_page_and_json(call: Any, words: tuple[str, ...], grown: Path) -> None:
    status, page, _ = call("--session", str(grown), *words)
    assert (status, bool(page.strip())) == (0, True)
    assert json.loads(call("--session", str(grown), *words, "--json")[1])


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with serving(Upstream(lambda _, n: reply([TOPICS[n % 3], f"x{n}"]))) as upstream:
        mind_ = made(tmp_path_factory.mktemp("grown") / "m")
        run(mind_, upstream, session_wish())
    return mind_.directory


def session_wish() -> Any:
    from meso_services.mind.runs import Wish  # noqa: PLC0415

    return Wish(12)


def test_pictures_are_written_where_one_says(call: Any, grown: Path, tmp_path: Path) -> None:
    into = tmp_path / "pictures"
    call("--session", str(grown), "plot", str(into))
    names = sorted(path.name for path in into.iterdir())
    assert names == [f"m-{n}.png" for n in ("clusters", "diversity", "drift", "map")] + ["m.html"]
    call("--session", str(grown), "plot", str(tmp_path / "one"), "--only", "map", "--no-png")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["m.html"]
    (tmp_path / "file").write_text("")
    status, _, complaint = call("--session", str(grown), "plot", str(tmp_path / "file"))
    assert (status, "file" in complaint) == (1, True)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("analyze", "lineage"), "mind.no_such_thing"),
        (("analyze", "lineage", "--thought", "999"), "mind.no_such_thing"),
        (("analyze", "compare"), "mind.no_other"),
        (("cluster", "show", "cluster_99"), "mind.no_such_cluster"),
        (("cluster", "split"), "mind.no_cluster"),
        (("calibrate", "--texts", "/no/such/file"), "mind.bad_texts"),
        (("list",), "mind.service_only"),
    ],
)
def test_what_cannot_be_is_said(call: Any, grown: Path, words: tuple[str, ...], code: str) -> None:
    status, printed, complaint = call("--session", str(grown), *words, "--json")
    assert status in (1, 2)
    assert json.loads(printed)["error"]["code"] == code
    assert complaint.startswith("meso: ")


def test_a_fork_of_everything_has_the_last_message_too(tmp_path: Path) -> None:
    from meso_services.mind import extract  # noqa: PLC0415

    with serving(Upstream(lambda _, n: reply([f"t{n}"], f"m{n}"))) as upstream:
        mind_ = made(tmp_path / "m")
        run(mind_, upstream, session_wish())
        changing.say(mind_, "user", "mind_0", "and one more")
    (mind_.directory / "mind.md.j2").write_text("You are {{ self_name }}.")
    extract.extract(mind_.directory, tmp_path / "all", 0, None)
    equal(state.open_mind(tmp_path / "all"), state.open_mind(mind_.directory))
    assert (tmp_path / "all/mind.md.j2").read_text() == "You are {{ self_name }}."
    extract.extract(mind_.directory, tmp_path / "part", 4, 8)
    texts = [m.text for m in state.open_mind(tmp_path / "part").pool()]
    assert "and one more" not in texts
    lines = (tmp_path / "part/thinking/thoughts.jsonl").read_text().splitlines()
    ids = {json.loads(line)["id"] for line in lines}
    assert ids == {0, 1, 2, 3}
    # What a mind saw is named by the numbers of the fork, or left out with what it names.
    seen = [json.loads(line)["from"]["thoughts"] for line in lines]
    assert all(set(one) <= ids for one in seen)
    assert any(seen)


def test_a_fork_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from meso_services.mind import extract  # noqa: PLC0415
    from meso_services.runtime.errors import MesoError  # noqa: PLC0415

    mind_ = made(tmp_path / "m", CONFIG)

    def broken(*_: Any) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(session, "write_head", broken)
    with pytest.raises((MesoError, OSError)):
        extract.extract(mind_.directory, tmp_path / "fork", 0, None)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m"]
    monkeypatch.undo()
    with pytest.raises(MesoError) as problem:
        extract.extract(mind_.directory, mind_.directory, 0, None)
    assert problem.value.code == "mind.exists"


def test_the_head_is_as_the_yaml_writer_would_write_it(tmp_path: Path) -> None:
    mind_ = made(tmp_path / "m", CONFIG)
    text = (mind_.directory / "session.yaml").read_text()
    assert text == session.head_text(session.read_head(mind_.directory))
    assert list(yaml.safe_load(text)) == ["iteration", "config"]
    (mind_.directory / "session.yaml").write_text(text + "iteration: 5\n")
    with pytest.raises(Exception, match="iteration"):
        session.read_head(mind_.directory)
