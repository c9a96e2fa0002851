"""Auditors of every temper: none of them keeps a mind from thinking on."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from meso_services.mind import auditors, state
from meso_services.mind.runs import Wish

from .test_sessions import CONFIG, made, reply, run
from .upstream import Upstream, serving

MODULE = '''
import os, sys, time

def notes(event):
    """Well behaved, but talkative."""
    print("x" * 5_000_000)
    yield {"level": "note", "text": f"{event['when']} {event['iteration']}\\u2028"}

def one(event):
    return {"level": "alert", "text": "a lone finding"}

def nothing(event):
    return None

def endless(event):
    while True:
        yield {"level": "note", "text": "more"}

def hangs(event):
    time.sleep(3600)

def spins(event):
    while True:
        pass

def raises(event):
    raise RuntimeError("no idea")

def ends(event):
    os._exit(7)

def dies(event):
    os.kill(os.getpid(), 9)

def hungry(event):
    return [{"level": "note", "text": str(len(bytearray(1 << 32)))}]

def floods(event):
    return [{"level": "note", "text": "x" * 5_000_000}]

def complains(event):
    sys.stderr.write("x" * 5_000_000)

def nonsense(event):
    return [3, {"level": "shout"}, object(), {"level": "note"}]

def number(event):
    return 5

def children(event):
    if not os.fork():
        time.sleep(3600)
    return [{"level": "note", "text": "left a child behind"}]
'''


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`ask("hangs")` gives the findings of that function of MODULE."""
    (tmp_path / "tempers.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))

    def done(*names: str) -> list[auditors.Finding]:
        event = {"when": "after", "iteration": 3}
        return auditors.ask([f"tempers:{name}" for name in names], event)

    return done


def test_what_a_function_finds_is_taken_and_what_it_prints_is_not(ask: Any) -> None:
    found = ask("notes", "one", "nothing")
    assert [(f.level, f.text.strip()) for f in found] == [
        ("note", "after 3"),
        ("alert", "a lone finding"),
    ]
    assert len(ask("endless")) == auditors.MOST_FINDINGS


@pytest.mark.parametrize("name", ["hangs", "spins"])
def test_an_auditor_that_never_returns_is_stopped(
    ask: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditors, "SECONDS", 1.0)
    began = time.monotonic()
    slow, well = ask(name, "one")
    assert time.monotonic() - began < auditors.bounded.Command.seconds / 2
    assert (slow.level, slow.auditor) == ("alert", f"tempers:{name}")
    assert "was stopped" in slow.text
    assert well.text == "a lone finding"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raises", "RuntimeError: no idea"),
        ("ends", "exit status 7"),
        ("dies", "signal 9"),
        ("hungry", "MemoryError"),
        ("floods", "wrote more than"),
        ("complains", "wrote more than"),
        ("number", "TypeError"),
        ("missing", "missing"),
    ],
)
def test_an_auditor_that_fails_is_a_finding(ask: Any, name: str, said: str) -> None:
    (found,) = ask(name)
    assert found.level == "alert"
    assert said in found.text


def test_findings_in_no_known_form_are_alerts_one_by_one(ask: Any) -> None:
    found = ask("nonsense")
    assert [f.level for f in found] == ["alert", "alert", "alert", "note"]
    assert all("no form that is known" in f.text for f in found[:3])


def test_a_child_that_was_left_behind_does_not_hold_the_mind(
    ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditors, "SECONDS", 2.0)
    began = time.monotonic()
    (found,) = ask("children")
    assert time.monotonic() - began < auditors.bounded.Command.seconds / 2
    assert found.level in ("note", "alert")


@pytest.mark.parametrize(
    ("auditor", "said"),
    [
        ("/no/such/program --loud", "cannot start /no/such/program"),
        ("", "names no program"),
        ("'open quote", "quotation"),
        ("/etc", "cannot start /etc"),
        ("no.such:thing", "No module named"),
        ("false", "exit status 1"),
    ],
)
def test_what_cannot_run_is_said(auditor: str, said: str) -> None:
    (found,) = auditors.ask([auditor], {"when": "before"})
    assert found.level == "alert"
    assert said in found.text


def test_a_line_that_is_no_json_leaves_the_others(tmp_path: Path) -> None:
    script = tmp_path / "a.py"
    script.write_text(
        "import json\nprint('hello')\n"
        "print(json.dumps({'level': 'note', 'text': 'a\\u2028b'}, ensure_ascii=False))\n"
    )
    found = auditors.ask([f"{sys.executable} {script}"], {"when": "before"})
    assert [f.level for f in found] == ["alert", "note"]
    assert "'hello'" in found[0].text


def test_a_mind_thinks_on_whatever_its_auditor_does(
    tmp_path: Path, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Iterations are complete, the alert stands in audit and report, and the mind hears nothing."""
    assert ask
    monkeypatch.setattr(auditors, "SECONDS", 0.5)
    config = CONFIG.model_copy(update={"auditors": ("tempers:hangs", "tempers:raises")})
    with serving(Upstream(lambda _, n: reply([f"t{n}"]))) as upstream:
        mind = made(tmp_path / "m", config)
        reports = run(mind, upstream, Wish(2))
        inputs = json.dumps(upstream.requests)
    assert state.open_mind(mind.directory).iteration == 2
    assert all("was stopped" in " ".join(r.alerts) for r in reports)
    assert "no idea" in (mind.directory / "interventions.jsonl").read_text()
    assert "no idea" not in inputs
