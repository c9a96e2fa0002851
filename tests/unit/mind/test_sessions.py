"""Sessions end to end: a loopback server for the model, real files, crashes in the middle."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from meso_services.contract.mind import MindConfig
from meso_services.mind import (
    changing,
    drafts,
    extract,
    lines,
    registry,
    runs,
    session,
    settings_of,
    state,
    view,
)
from meso_services.mind.embedders import Remote
from meso_services.mind.iteration import Around, Report
from meso_services.mind.models import Client, Endpoint
from meso_services.mind.runs import Wish
from meso_services.mind.state import Mind
from meso_services.runtime.errors import MesoError

from .upstream import Upstream, serving

TOPICS = ("gardens", "kettles", "maps")
CONFIG = MindConfig(embedding_model="test/vectors", embedding_dim=16, seed=7)


def reply(thoughts: list[str], message: str | None = None) -> str:
    document: dict[str, Any] = {"thoughts": thoughts}
    if message:
        document["messages"] = [{"to": "user", "text": message}]
    return yaml.safe_dump(document)


def around(upstream: Upstream, config: MindConfig = CONFIG, **more: Any) -> Around:
    client = Client(Endpoint(url=upstream.url, seconds=5, **more), sleep=lambda _: None)
    return Around(client, Remote(client, config))


def made(place: Path, config: MindConfig = CONFIG, prompt: str | None = "Hello.") -> Mind:
    session.init(place, prompt, config)
    return state.open_mind(place)


def run(mind: Mind, upstream: Upstream, wish: Wish, **more: Any) -> list[Report]:
    found = runs.run(mind, wish, around(upstream, mind.config, **more))
    return [report for reports in found for report in reports]


def files(place: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(place)): p.read_bytes() for p in sorted(place.rglob("*")) if p.is_file()
    }


@pytest.mark.parametrize("api", ["openai", "anthropic"])
def test_it_runs_until_it_says_something(tmp_path: Path, api: str) -> None:
    def answer(_: dict[str, Any], number: int) -> str:
        return reply([f"thought {number}"], "Done." if number == 3 else None)

    with serving(Upstream(answer)) as upstream:
        mind = made(tmp_path / "m")
        reports = run(mind, upstream, Wish(), api=api)
    assert [report.iteration for report in reports] == [0, 1, 2, 3]
    assert reports[-1].messages == [{"to": "user", "text": "Done."}]
    assert reports[0].tokens == (11, 5)
    head = yaml.safe_load((tmp_path / "m/session.yaml").read_text())
    assert head["iteration"] == 4
    again = state.open_mind(tmp_path / "m")
    assert [t.text for t in again.thoughts] == [f"thought {n}" for n in range(4)]
    assert [(m.source, m.text) for m in again.pool()] == [("user", "Hello."), ("mind_0", "Done.")]


def test_a_mind_sees_ages_and_never_the_iteration_that_a_thought_was_made_in(
    tmp_path: Path,
) -> None:
    with serving(Upstream(lambda _, n: reply([f"idea {n}"]))) as upstream:
        run(made(tmp_path / "m"), upstream, Wish(6))
        inputs = [
            yaml.safe_load(r["messages"][1]["content"])
            for r in upstream.requests
            if "messages" in r
        ]
        raw = [r["messages"][1]["content"] for r in upstream.requests if "messages" in r]
    assert [one["meta"]["iter"] for one in inputs] == list(range(6))
    assert inputs[0]["thinking_pool"] == []
    assert inputs[5]["message_pool"][0]["age"] == 5
    for number, text in enumerate(raw):
        for n in range(number):
            if f"idea {n}\n" in text:
                assert f"# age: {number - n}, cluster: " in text


def test_pools_rotate_and_keep_their_bounds(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"active_pool_size": 8, "message_buffer_per_source": 3})
    answer = lambda _, n: reply([f"a{n}", f"b{n}", f"c{n}"], f"message {n}")  # noqa: E731
    with serving(Upstream(answer)) as upstream:
        mind = made(tmp_path / "m", config)
        run(mind, upstream, Wish(6))
        for number in range(5):
            changing.say(mind, "user", "mind_0", f"from the user {number}")
    again = state.open_mind(tmp_path / "m")
    assert [t.id for t in again.thoughts] == list(range(10, 18))
    assert [m.text for m in again.pool() if m.source == "mind_0"] == [
        "message 3",
        "message 4",
        "message 5",
    ]
    assert [m.text[-1] for m in again.pool() if m.source == "user"] == ["2", "3", "4"]
    assert (again.made, len(again.vectors)) == (18, 8)


def test_what_is_in_memory_is_what_is_read_again(tmp_path: Path) -> None:
    """After each iteration, from a registry or from the assignments alone, bit for bit."""
    rng = random.Random(1)  # noqa: S311

    def answer(_: dict[str, Any], number: int) -> str:
        return reply([rng.choice(TOPICS) for _ in range(3)] + [f"odd {number}"])

    with serving(Upstream(answer)) as upstream:
        mind = made(tmp_path / "m")
        for reports in runs.run(mind, Wish(registry.EVERY + 6), around(upstream)):
            if reports[0].iteration % 13 == 0:
                same(mind, state.open_mind(tmp_path / "m"))
    with_registry = state.open_mind(tmp_path / "m")
    same(mind, with_registry)
    assert (tmp_path / "m" / registry.NAME).exists()
    (tmp_path / "m" / registry.NAME).write_bytes(b"damaged")
    same(mind, state.open_mind(tmp_path / "m"))
    assert mind.clusters.count >= 3
    rows = view.cluster_rows(mind)
    assert sum(row["size"] for row in rows) == int(mind.clusters.sizes.sum())
    assert len(view.members(mind, "cluster_0")) == rows[0]["size"]


def same(one: Mind, other: Mind) -> None:
    assert (one.iteration, one.made, one.cluster_of) == (
        other.iteration,
        other.made,
        other.cluster_of,
    )
    assert list(one.thoughts) == list(other.thoughts)
    assert one.pool() == other.pool()
    assert one.vectors.tobytes() == other.vectors.tobytes()
    count = one.clusters.count
    assert count == other.clusters.count
    assert one.clusters.sums[:count].tobytes() == other.clusters.sums[:count].tobytes()
    assert np.array_equal(one.clusters.sizes[:count], other.clusters.sizes[:count])


def test_a_seed_makes_two_runs_equal(tmp_path: Path) -> None:
    def once(place: Path) -> Any:
        def answer(request: dict[str, Any], number: int) -> str:
            seen = yaml.safe_load(request["messages"][1]["content"])["thinking_pool"]
            return reply(
                [f"{number}", TOPICS[number % 3], *(f"on {t.strip()[:20]}" for t in seen[:1])]
            )

        with serving(Upstream(answer)) as upstream:
            mind = made(place)
            reports = run(mind, upstream, Wish(20))
        return [(r.sampled, r.thoughts, r.new_clusters) for r in reports], mind.cluster_of

    assert once(tmp_path / "a") == once(tmp_path / "b")


@pytest.mark.parametrize(("api", "count"), [("openai", 100), ("anthropic", 30)])
def test_a_hundred_iterations_against_a_server_that_goes_wrong(
    tmp_path: Path, api: str, count: int
) -> None:
    """Rate limits, errors, cut streams, nonsense, delays: each costs a try, none an iteration."""
    rng = random.Random(3)  # noqa: S311
    faults = ["cut", "garbage", "error-event", 429, 500, 529, "slow", None, None, None, None]
    nonsense = [
        "",
        "As a language model",
        "\ud83d\ude00" * 50,
        "thoughts: [",
        "```yaml\nthoughts:\n- x",
    ]

    def answer(_: dict[str, Any], number: int) -> str:
        if number % 5 == 4:
            return nonsense[number // 5 % len(nonsense)]
        return reply([f"{TOPICS[number % 3]}", f"thought {number}"])

    last: list[object] = []

    def fault(_: int) -> object:
        # Not more than four in a row: six tries are made.
        chosen = rng.choice(faults) if last[-4:].count(None) else None
        last.append(chosen)
        return chosen

    with serving(Upstream(answer, fault)) as upstream:
        mind = made(tmp_path / "m")
        reports = run(mind, upstream, Wish(count), api=api)
    assert len(reports) == count
    assert state.open_mind(tmp_path / "m").iteration == count
    assert sum(report.tries > 1 for report in reports) > count * 0.15
    assert sum(bool(report.dropped) for report in reports) >= count * 0.15
    same(mind, state.open_mind(tmp_path / "m"))


def test_a_model_that_does_not_answer_changes_nothing(tmp_path: Path) -> None:
    with serving(Upstream(lambda *_: "", lambda _: 503)) as upstream:
        mind = made(tmp_path / "m")
        with pytest.raises(MesoError) as problem:
            run(mind, upstream, Wish(1))
    assert problem.value.code == "mind.model_unreachable"
    assert state.open_mind(tmp_path / "m").iteration == 0
    kinds = [
        json.loads(x)["type"] for x in (tmp_path / "m/interventions.jsonl").read_text().splitlines()
    ]
    assert kinds == ["init", "message", "run", "failed"]


def test_a_refusal_is_not_repeated(tmp_path: Path) -> None:
    with serving(Upstream(lambda *_: "", lambda _: 401)) as upstream:
        with pytest.raises(MesoError) as problem:
            run(made(tmp_path / "m"), upstream, Wish(1))
        assert (problem.value.code, len(upstream.requests)) == ("mind.model_refused", 1)


STEPS = ("append", "write", "flush_directory")


@pytest.mark.parametrize("after", range(9))
def test_a_crash_leaves_the_session_at_the_iteration_before(
    tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends at the nth write of an iteration; a message and a run follow."""
    from meso_services.runtime import durable  # noqa: PLC0415

    class Ended(BaseException):
        pass

    with serving(Upstream(lambda _, n: reply([f"t{n}", "gardens"], f"m{n}"))) as upstream:
        mind = made(tmp_path / "m")
        run(mind, upstream, Wish(3))
        before = state.open_mind(tmp_path / "m")
        count = iter(range(100))
        real = {name: getattr(durable, name) for name in ("append", "write")}

        def broken(name: str) -> Any:
            def call(path: Path, data: bytes, **more: Any) -> Any:
                if next(count) >= after:
                    with path.open("ab") as torn:
                        torn.write(data[: len(data) // 2] if name == "append" else b"")
                    raise Ended
                return real[name](path, data, **more)

            return call

        for name in real:
            monkeypatch.setattr(durable, name, broken(name))
        with contextlib.suppress(Ended):
            run(mind, upstream, Wish(1))
        monkeypatch.undo()
        again = state.open_mind(tmp_path / "m")
        if again.iteration == before.iteration:
            same(before, again)
        assert again.iteration in (3, 4)
        changing.say(again, "user", "mind_0", "still there?")
        run(again, upstream, Wish(1))
        same(again, state.open_mind(tmp_path / "m"))
        texts = [m.text for m in again.pool() if m.source == "user"]
        assert texts == ["Hello.", "still there?"]


def test_a_kill_at_any_moment(tmp_path: Path) -> None:
    """SIGKILL while it runs: whatever is read afterwards is a whole number of iterations."""
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from meso_services.mind import runs, state\n"
        "from meso_services.mind.iteration import Around\n"
        "from meso_services.mind.models import Client, Endpoint\n"
        "from meso_services.mind.embedders import Remote\n"
        "mind = state.open_mind(Path(sys.argv[1]))\n"
        "client = Client(Endpoint(url=sys.argv[2]))\n"
        "for _ in runs.run(mind, runs.Wish(1000), Around(client, Remote(client, mind.config))):\n"
        "    print(mind.iteration, flush=True)\n"
    )
    with serving(Upstream(lambda _, n: reply([f"t{n}"]))) as upstream:
        made(tmp_path / "m")
        for number in range(2):
            child = subprocess.Popen(
                [sys.executable, "-c", program, str(tmp_path / "m"), upstream.url],
                stdout=subprocess.PIPE,
                cwd=Path(__file__).resolve().parents[3],
                env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
            )
            assert child.stdout
            said = 0
            for line in child.stdout:
                said = int(line)
                if said % 5 == number:
                    break
            time.sleep(0.01 * number)
            child.send_signal(signal.SIGKILL)
            child.wait()
            child.stdout.close()
            mind = state.open_mind(tmp_path / "m")
            assert mind.iteration >= said
            assert mind.made == mind.iteration
    with changing.writing(mind):
        same(mind, state.open_mind(tmp_path / "m"))


def test_one_process_runs_a_mind(tmp_path: Path) -> None:
    mind = made(tmp_path / "m")
    with changing.running(mind.directory), pytest.raises(MesoError) as problem:
        next(iter(runs.run(mind, Wish(1), around(Upstream(lambda *_: "")))))
    assert problem.value.code == "mind.busy"


def test_drafts_are_proposed_accepted_and_archived(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"drafts": True, "presence": "reviewing"})

    def answer(_: dict[str, Any], number: int) -> str:
        return yaml.safe_dump(
            {"thoughts": [], "drafts": [{"to": "user", "text": f"draft {number}"}]}
        )

    with serving(Upstream(answer)) as upstream:
        mind = made(tmp_path / "m", config)
        run(mind, upstream, Wish(3))
        assert [d["text"] for d in drafts.pending(mind)] == ["draft 0", "draft 1", "draft 2"]
        assert [m.source for m in mind.pool()] == ["user"]
        drafts.accept(mind, 1)
        assert [(m.source, m.text) for m in mind.pool()][1:] == [("mind_0", "draft 1")]
        assert [d["text"] for d in drafts.archived(mind)] == ["draft 0", "draft 2"]
        run(mind, upstream, Wish(1))
        last = upstream.requests[-1]["messages"]
    assert "draft 0" not in last[1]["content"]
    assert "draft 2" not in last[1]["content"]
    assert "user_presence: reviewing" in last[1]["content"]
    assert "draft_pool" in last[0]["content"]
    assert [d["id"] for d in drafts.pending(mind)] == [3]


def test_several_minds_think_side_by_side(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"minds": {"mind_1": "other/model"}})

    def answer(request: dict[str, Any], _: int) -> str:
        to = "mind_1" if request["model"] != "other/model" else "user"
        return yaml.safe_dump(
            {"thoughts": [request["model"]], "messages": [{"to": to, "text": "hi"}]}
        )

    with serving(Upstream(answer)) as upstream:
        mind = made(tmp_path / "m", config)
        reports = run(mind, upstream, Wish(2))
        inputs = [r["messages"][1]["content"] for r in upstream.requests if "messages" in r]
    assert [report.mind for report in reports] == ["mind_0", "mind_1"] * 2
    assert {t.mind for t in mind.thoughts} == {"mind_0", "mind_1"}
    assert "source: mind_0" in inputs[3]
    lines = (tmp_path / "m/messages/messages.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["from"]["messages"]


def test_a_fork_continues_from_where_it_was_taken(tmp_path: Path) -> None:
    with serving(Upstream(lambda _, n: reply([TOPICS[n % 3]], f"m{n}"))) as upstream:
        mind = made(tmp_path / "m")
        run(mind, upstream, Wish(30))
        untouched = files(tmp_path / "m")
        extract.extract(tmp_path / "m", tmp_path / "fork", 0, 20)
        fork = state.open_mind(tmp_path / "fork")
        assert (fork.iteration, fork.made) == (20, 20)
        run(fork, upstream, Wish(2))
        same(fork, state.open_mind(tmp_path / "fork"))
    assert files(tmp_path / "m") == untouched


def test_auditors_observe_tell_and_stop(tmp_path: Path) -> None:
    script = tmp_path / "audit.py"
    script.write_text(
        "import json, sys\nevent = json.load(sys.stdin)\n"
        "if event['when'] == 'after' and event['iteration'] == 2:\n"
        "    print(json.dumps({'level': 'stop', 'text': 'enough'}))\n"
        "elif event['when'] == 'after':\n"
        "    print(json.dumps({'level': 'note', 'text': 'secret note'}))\n"
        "    print(json.dumps({'level': 'alert', 'text': 'be brief', 'tell': True}))\n"
    )
    config = CONFIG.model_copy(update={"auditors": (f"{sys.executable} {script}", "no.such:thing")})
    with serving(Upstream(lambda _, n: reply([f"t{n}"]))) as upstream:
        mind = made(tmp_path / "m", config)
        reports = run(mind, upstream, Wish(10))
        inputs = [r["messages"][1]["content"] for r in upstream.requests if "messages" in r]
    assert len(reports) == 2
    assert "be brief" in inputs[1]
    assert "secret note" not in "".join(inputs)
    audit = (tmp_path / "m/interventions.jsonl").read_text()
    assert "secret note" in audit
    assert "the auditor failed" in audit


def test_what_others_say_is_read_without_reading_everything_again(tmp_path: Path) -> None:
    """A message of another process is taken in from where the file was read to."""
    mind = made(tmp_path / "m")
    other = state.open_mind(tmp_path / "m")
    for number in range(14):
        changing.say(other, "user", "mind_0", f"{number}")
        if number % 3 == 0:
            state.refresh(mind)
    state.refresh(mind)
    same(mind, state.open_mind(tmp_path / "m"))
    assert mind.next_message == 15
    read: list[int] = []
    real = lines._object

    def counted(line: bytes, key: str, name: str) -> Any:
        if name == session.MESSAGES:
            read.append(1)
        return real(line, key, name)

    changing.say(other, "user", "mind_0", "last")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "_object", counted)
        state.refresh(mind)
    assert len(read) == 1


def test_settings_are_checked_and_recorded(tmp_path: Path) -> None:
    mind = made(tmp_path / "m")
    config, changed = settings_of.changed(mind.config, "k_samples=10")
    changing.configure(mind, config, changed)
    assert yaml.safe_load((tmp_path / "m/session.yaml").read_text())["config"]["k_samples"] == 10
    for wrong in ("k_samples=-1", "colour=1", "k_samples", "k_samples=ten"):
        with pytest.raises(MesoError):
            settings_of.changed(mind.config, wrong)
    with serving(Upstream(lambda _, n: reply([f"t{n}"]))) as upstream:
        run(mind, upstream, Wish(1))
    other, changed = settings_of.changed(mind.config, "embedding_dim=8")
    with pytest.raises(MesoError) as problem:
        changing.configure(mind, other, changed)
    assert problem.value.code == "mind.has_thoughts"
