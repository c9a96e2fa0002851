"""What a transcript holds comes back: byte for byte to its own agent, whole by way of others."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meso_services.runtime.errors import MesoError
from meso_services.session_manager.model.context import context
from tests.unit.transcripts.trees import claude_file, pi_file

COMMON = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def records(content: bytes) -> list[Any]:
    return [json.loads(line) for line in content.splitlines() if line.strip()]


@COMMON
@given(pi_file())
def test_pis_file_comes_back_byte_for_byte(shared_desk: Any, content: bytes) -> None:
    made = shared_desk.bring(content)
    try:
        assert shared_desk.fetch(made, format="pi")[0] == content
        assert made.entries == len(content.splitlines()) - 1
        context(shared_desk.session(made), None, 10_000)
    finally:
        shared_desk.forget(made)


@COMMON
@given(claude_file())
def test_claude_codes_transcript_comes_back_byte_for_byte(shared_desk: Any, content: bytes) -> None:
    made = shared_desk.bring(content)
    try:
        assert shared_desk.fetch(made, format="claude-code")[0] == content
        assert made.entries == len(content.splitlines())
        told = context(shared_desk.session(made), None, 10_000)
        assert not [note for note in told.mended if "has no result" in note]
        rows = records(content)
        last = max((n for n, row in enumerate(rows) if row.get("isCompactSummary")), default=None)
        forked = any(row.get("isSidechain") for row in rows) or len(told.messages) == 0
        if last is not None and not forked and on_main(shared_desk, made, rows[last]["uuid"]):
            assert "SUMMARY" in str(told.messages[0])
    finally:
        shared_desk.forget(made)


@COMMON
@given(pi_file())
def test_pi_by_way_of_claude_code_and_back(shared_desk: Any, content: bytes) -> None:
    """Pi -> ours -> Claude Code -> ours -> Pi: the same records, in the same tree."""
    first = shared_desk.bring(content)
    through = shared_desk.fetch(first, format="claude-code")[0]
    shared_desk.forget(first)
    second = shared_desk.bring(through, format="claude-code")
    try:
        back = [one for one in records(shared_desk.fetch(second, format="pi")[0])[1:]
                if not carries_only(one)]  # fmt: skip
        assert [plain(one) for one in back] == [plain(one) for one in records(content)[1:]]
        assert records(shared_desk.fetch(second, format="pi")[0])[0] == records(content)[0]
    finally:
        shared_desk.forget(second)


@COMMON
@given(claude_file())
def test_claude_code_by_way_of_pi_and_back(shared_desk: Any, content: bytes) -> None:
    first = shared_desk.bring(content)
    through = shared_desk.fetch(first, format="pi")[0]
    tree = [(e.id, e.parent_id, e.type) for e in all_entries(shared_desk, first)]
    shared_desk.forget(first)
    second = shared_desk.bring(through, format="pi")
    try:
        assert [(e.id, e.parent_id, e.type) for e in all_entries(shared_desk, second)] == tree
        assert shared_desk.fetch(second, format="claude-code", session_id=SESSION)[0] == content
    finally:
        shared_desk.forget(second)


@COMMON
@given(st.one_of(pi_file(), claude_file()))
def test_by_way_of_goose_and_back(shared_desk: Any, content: bytes) -> None:
    first = shared_desk.bring(content)
    before = [e.model_dump() for e in all_entries(shared_desk, first)]
    through = shared_desk.fetch(first, format="goose")[0]
    shared_desk.forget(first)
    second = shared_desk.bring(through, format="goose")
    try:
        assert [e.model_dump() for e in all_entries(shared_desk, second)] == before
    finally:
        shared_desk.forget(second)


@COMMON
@given(st.data())
def test_damage_is_kept_as_it_is(shared_desk: Any, data: Any) -> None:
    """Lines of any bytes, lines twice, lines in any order, an end cut off: it still comes back."""
    pi = data.draw(st.booleans())
    lines = data.draw(pi_file() if pi else claude_file()).splitlines(keepends=True)
    head, body = (lines[:1], lines[1:]) if pi else (lines[:1], lines)
    junk = st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b"") + b"\n")
    twice = st.sampled_from(body) if body else junk
    body = data.draw(st.permutations(body + data.draw(st.lists(junk | twice, max_size=4))))
    content = b"".join(head + body if pi else body)
    content = content[: data.draw(st.integers(0, 9)) * -1 or None]
    if not content.strip() or (pi and not content.startswith(lines[0])):
        return
    try:
        made = shared_desk.bring(content, format="pi" if pi else "claude-code")
    except MesoError as refused:
        assert refused.code == "import.unknown_format"
        assert not list(shared_desk.store.all())
        return
    try:
        name = "pi" if pi else "claude-code"
        back = shared_desk.fetch(made, format=name, **({} if pi else {"session_id": SESSION}))[0]
        extra = back.removeprefix(content)
        assert back.startswith(content)
        assert not extra or len(records(extra)) == 1, "at most the word where to go on"
        context(shared_desk.session(made), None, 10_000)
    finally:
        shared_desk.forget(made)


SESSION = "12345678-1234-4234-8234-123456789abc"


def all_entries(desk: Any, made: Any) -> Any:
    return desk.session(made).page(None, 1000).entries


def on_main(desk: Any, made: Any, ident: str) -> bool:
    """True if an entry is on the way to where the session goes on."""
    entries = {entry.id: entry for entry in all_entries(desk, made)}
    now = entries.get(desk.session(made).state.leaf)
    while now is not None and now.id != ident:
        now = entries.get(now.parent_id)
    return now is not None


def plain(record: Any) -> Any:
    return {name: value for name, value in record.items() if name != "meso"}


def carries_only(record: Any) -> bool:
    """What Claude Code's file has besides: nothing of the session."""
    return record.get("customType") == "claude-code" or bool(
        isinstance(record.get("meso"), dict) and record["meso"].get("export")
    )
