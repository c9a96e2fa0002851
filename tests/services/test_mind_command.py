"""`mind --service` and `meso chat --service`: the real runner, its models by the real proxy."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from textual.widgets import DataTable

from meso_cli.mind import main as mind
from meso_cli.verbs.chat.backend import Remote
from meso_cli.verbs.chat.screen import Chat
from meso_host.setup import model as files
from meso_services.contract.client import Connection

from ..unit.mind.test_chat import shown, until, write
from ..unit.mind.upstream import Upstream, serving
from .conftest import new_root, starter

Call = Any


def answer(request: dict[str, Any], number: int) -> str:
    """Three thoughts; it answers who says good morning, and proposes where it may."""
    heard = request["messages"][1]["content"]
    document: dict[str, Any] = {"thoughts": [f"thought {number}, {part}" for part in "abc"]}
    if "Good morning" in heard:
        document["messages"] = [{"to": "user", "text": f"Good morning to you ({number})."}]
    return yaml.safe_dump(document)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with serving(Upstream(answer)) as found:
        yield found


@pytest.fixture(scope="module")
def services(upstream: Upstream) -> Iterator[Path]:
    """The directory of the sockets of mind runner, API proxy and embedding service."""
    with new_root() as root, starter(root) as begin:
        quick = {"attempts": 1, "first_seconds": 0.01, "longest_seconds": 1.0}
        upstreams = [{"name": "near", "kind": "openai", "url": upstream.url}]
        begin("api-proxy", settings={"upstreams": upstreams, "retry": quick})
        begin("embed", settings={}, environment={"MESO_MODEL": str(files.bring(lambda _: None))})
        begin("mind-runner", settings={})
        yield root / "run/meso"


@pytest.fixture
def call(
    services: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Call:
    """`call("status")` of `mind --service` gives exit status, what it printed, its complaints."""
    monkeypatch.setattr(Connection.__init__, "__defaults__", (services,))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("MESO_MIND", raising=False)

    def done(*words: str, given: bytes | None = None) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["mind", "--service", *words])
        if given is not None:
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given)))
        return mind(), *capsys.readouterr()

    return done


def prepared(call: Call, name: str, prompt: str = "Hello.") -> None:
    """A mind that embeds by the loopback server."""
    assert call("init", name, prompt)[0] == 0
    for setting in ("embedding_model=test/vectors", "embedding_dim=16", "seed=3"):
        assert call("config", "--set", setting)[0] == 0


def test_every_word_of_the_description(call: Call, tmp_path: Path) -> None:
    prepared(call, "words", "Good morning")
    assert "words" in [m["name"] for m in json.loads(call("list", "--json")[1])["minds"]]
    status, told, progress = call("run")
    assert (status, "Good morning to you" in told, "3 thoughts" in progress) == (0, True, True)
    assert call("run", "2")[2].count("iteration") == 2
    assert call("run", "--max", "1")[0] == 0
    assert call("message", "and now")[0] == 0
    file = tmp_path / "prompt.md"
    file.write_text("from a file")
    assert call("message", "-f", str(file))[0] == 0
    assert call("message", given=b"from a pipe")[0] == 0
    assert call("message", "--to", "mind_9", "hello")[0] == 1
    assert json.loads(call("status", "--json")[1])["iteration"] == 4
    assert json.loads(call("config", "--json")[1])["seed"] == 3
    for words in (
        ("cluster", "status"),
        ("history",),
        ("drafts",),
        ("analyze",),
        ("open", "words"),
    ):
        assert call(*words)[0] == 0
        assert json.loads(call(*words, "--json")[1]) is not None
    assert "user to mind_0: from a pipe" in call("history")[1]
    assert call("extract", "words-2", "--last", "2")[0] == 0
    assert json.loads(call("--session", "words-2", "status", "--json")[1])["iteration"] == 2
    assert call("plot", str(tmp_path / "plots"), "--no-png")[0] == 0
    assert (tmp_path / "plots/words.html").stat().st_size > 1000


def test_one_step_shows_the_whole_request_and_reply(call: Call) -> None:
    prepared(call, "shown", "A secret of the garden")
    status, printed, debug = call("step", "--debug", "--json")
    assert status == 0
    assert json.loads(printed)["mind"] == "mind_0"
    request, reply = debug.split("----- request -----\n")[1].split("----- reply -----\n")
    assert "A secret of the garden" in request
    assert "message_pool:" in request
    assert reply.startswith("thoughts:")
    # Without it nothing is kept.
    call("step")
    with Connection("mind-runner") as connection:
        from meso_services.contract.mind import RunState  # noqa: PLC0415

        assert connection.get("/v1/minds/shown/run", RunState).debug == ()


def test_thresholds_are_measured_by_any_embeddings_server(call: Call, tmp_path: Path) -> None:
    """By the proxy, in words and numbers; nothing is set unless it is said."""
    prepared(call, "measured")
    texts = tmp_path / "texts.yaml"
    texts.write_text(yaml.safe_dump({f"t{t}": [f"{t} {n}" for n in range(60)] for t in range(3)}))
    status, page, _ = call("calibrate", "--texts", str(texts))
    assert status == 0
    assert "Half of 180 texts of 3 themes are within" in page
    # The loopback server's vectors have no meaning, and the verb says so.
    assert "No threshold parts these themes well" in page
    assert json.loads(call("config", "--json")[1])["centroid_match_threshold"] == 0.3
    status, printed, _ = call("calibrate", "--texts", str(texts), "--set", "--json")
    assert (status, json.loads(printed)["error"]["code"]) == (1, "mind.no_threshold")
    assert call("calibrate", "--model", "other/vectors")[0] == 0
    status, printed, _ = call("calibrate", "--model", "other/vectors", "--set", "--json")
    assert (status, json.loads(printed)["error"]["code"]) == (2, "mind.other_model")
    texts.write_text("a: [1]")
    assert call("calibrate", "--texts", str(texts))[0] == 1


def test_the_local_model_is_measured_through_its_service(call: Call) -> None:
    assert call("init", "local", "--offline")[0] == 0
    found = json.loads(call("calibrate", "--json")[1])
    assert (found["model"], found["set_now"]) == ("local/all-MiniLM-L6-v2", 0.65)
    low, high = map(float, found["equally_good"].split(" to "))
    assert low <= 0.65 <= high
    assert call("config", "--set", "centroid_match_threshold=0.2")[0] == 0
    assert "Set now. At 0.2" in call("calibrate", "--set")[1]
    kept = json.loads(call("config", "--json")[1])
    assert kept["centroid_match_threshold"] == found["threshold"]


def test_ctrl_c_ends_after_the_iteration(call: Call) -> None:
    """The runner is asked to stop; the verb waits for the iteration and says that it was ended."""
    prepared(call, "stopped")

    def press() -> None:
        wait_for_iteration("stopped")
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    status, _, progress = call("run", "100000")
    presser.join()
    assert status == 130
    assert "ending after this iteration" in progress
    held = json.loads(call("status", "--json")[1])
    assert 1 <= held["iteration"] < 100000
    assert held["thinking_pool"]["thoughts"] == 3 * held["iteration"]


def wait_for_iteration(name: str) -> None:
    from meso_services.contract.mind import Mind  # noqa: PLC0415

    deadline = time.monotonic() + 60
    with Connection("mind-runner") as connection:
        while connection.get(f"/v1/minds/{name}", Mind).iteration < 1:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_model_that_is_refused_is_said(call: Call) -> None:
    assert call("init", "refused", "Hello.")[0] == 0
    assert call("config", "--set", "embedding_dim=8")[0] == 0
    status, printed, _ = call("step", "--json")
    assert (status, json.loads(printed)["error"]["code"]) == (1, "mind.run_failed")
    assert "embedding_dim is 8" in json.loads(printed)["error"]["message"]
    assert json.loads(call("status", "--json")[1])["iteration"] == 0


def test_a_chat_with_a_mind_of_the_appliance(call: Call) -> None:
    """Words in, answer out, pools beside, presence and drafts: all through the sockets."""

    async def talk(app: Chat) -> None:
        async with app.run_test(size=(140, 40)) as pilot:
            await until(pilot, lambda: "Hello." in shown(app))
            await write(pilot, "Good morning")
            await until(pilot, lambda: "Good morning to you" in shown(app))
            await until(pilot, lambda: app.query_one("#thoughts", DataTable).row_count >= 3)
            await write(pilot, "/run 100000")
            rows = app.query_one("#thoughts", DataTable)
            await until(pilot, lambda: rows.row_count >= 9)
            await pilot.press("ctrl+s")
            await until(pilot, lambda: not app._thinking)
            await write(pilot, "/presence reviewing")
            await until(pilot, lambda: "reviewing" in app.sub_title)
            await write(pilot, "/accept 5")
            await until(pilot, lambda: "no draft 5 waits" in shown(app))
            await pilot.press("ctrl+q")

    prepared(call, "talked")
    asyncio.run(talk(Chat(Remote("talked"), 5)))
    assert json.loads(call("config", "--json")[1])["presence"] == "reviewing"
    history = json.loads(call("history", "--limit", "1000", "--json")[1])
    assert "Good morning" in [line.get("text") for line in history]
