"""Truncated, foreign and hostile files: a clear error or a repair that is told, never a half."""

from __future__ import annotations

import json
import resource
import sqlite3
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meso_cli.output import CliError
from meso_cli.verbs.session.sources import found_in
from meso_services.contract.exchange import ExportSession, ImportSession
from meso_services.contract.session import NewEntry
from meso_services.runtime.errors import MesoError
from meso_services.session_manager import exchange
from meso_services.session_manager.model.context import context
from meso_services.session_manager.tree.branches import show
from meso_services.transcripts.lines import MOST_LINE
from tests.unit.transcripts.trees import SESSION, STAMP, line

HEAD = line({"type": "session", "version": 3, "id": SESSION, "timestamp": STAMP, "cwd": "/work"})


def pi(ident: str, parent: str | None, **more: Any) -> bytes:
    said = {"role": "user", "content": f"I am {ident}", "timestamp": 1}
    base = {"type": "message", "id": ident, "parentId": parent, "timestamp": STAMP}
    return line(base | {"message": said} | more)


def claude(ident: str, parent: str | None, **more: Any) -> bytes:
    said = {"role": "user", "content": f"I am {ident}"}
    base = {"type": "user", "uuid": ident, "parentUuid": parent, "isSidechain": False,
            "sessionId": SESSION, "timestamp": STAMP, "message": said}  # fmt: skip
    return line(base | more)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "import.unknown_format"),
        (b"\n\n", "import.unknown_format"),
        (b"hello\n", "import.unknown_format"),
        (b"\xff\xfe\x00\x01" * 100, "import.unknown_format"),
        (b"SQLite format 3\0" + b"\0" * 100, "import.unknown_format"),
        (b'{"a":1}\n{"b":2}\n', "import.unknown_format"),
        (HEAD.replace(b"3", b"4", 1), "import.unsupported_version"),
        (HEAD.replace(b":3,", b":true,", 1), "import.unsupported_version"),
        (HEAD, "import.unknown_format"),
        (HEAD[:-2] + b',"x":' + b"[" * 300 + b"]" * 300 + b"}\n" + pi("a", None),
         "import.unknown_format"),
        (line({"type": "summary", "sessionId": SESSION, "summary": "x"}), "import.unknown_format"),
        (HEAD[:-1] + b" " * (40 << 10) + b"\n" + pi("a", None), "import.header_too_long"),
        (line({"conversation": "none"}), "import.unknown_format"),
        (b'{"conversation":[' + b"[" * 90 + b"]" * 90 + b"]}", "import.too_deep"),
        (claude("a", None) + b'{"type":"meso-file","path":"../../etc/passwd"}\n',
         "import.bad_path"),
        (claude("a", None) + b'{"type":"meso-file","path":"/etc/passwd"}\n', "import.bad_path"),
    ],
)  # fmt: skip
def test_what_is_no_transcript_is_refused_and_leaves_nothing(
    desk: Any, content: bytes, code: str
) -> None:
    with pytest.raises(MesoError) as caught:
        desk.bring(content)
    assert caught.value.code == code
    assert caught.value.status in (409, 422)
    assert not list(desk.store.all())
    assert not [p for p in desk.store.place.rglob("*") if p.name.startswith(".new")]


def test_a_line_of_a_hundred_megabytes_is_refused_without_being_read(desk: Any) -> None:
    content = HEAD + pi("a", None) + b'{"type":"custom","id":"b","x":"' + b"x" * (100 << 20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(MesoError) as caught:
        desk.bring(content)
    assert (caught.value.code, caught.value.detail) == ("import.line_too_long", {"line": 3})
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < 3 * MOST_LINE


@pytest.mark.parametrize("make", [pi, claude])
def test_cycles_lost_parents_and_doubles_are_repaired_and_reported(desk: Any, make: Any) -> None:
    head = HEAD if make is pi else b""
    body = [make("a", None), make("b", "c"), make("c", "d"), make("d", "b"), make("e", "nobody"),
            make("a", "e"), make("s", "s"), make("late", "later"), make("later", "a")]  # fmt: skip
    content = head + b"".join(body)
    made = desk.bring(content)
    notes = "\n".join(made.notes)
    for word in ("cycle", "nobody is missing", "stands twice"):
        assert word in notes
    session = desk.session(made)
    entries = {entry.id: entry for entry in session.page(None, 100).entries}
    assert len(entries) == len(body)
    assert entries["late"].parent_id == "later"
    assert sum(entries[name].parent_id is None for name in "bcd") == 1
    context(session, None, 1000)
    show(session)
    name = "pi" if make is pi else "claude-code"
    assert desk.fetch(made, format=name)[0].startswith(content)


@pytest.mark.parametrize("make", [pi, claude])
def test_depth_and_bytes_that_are_no_text_are_kept_unshown(desk: Any, make: Any) -> None:
    deep = json.loads("[" * 200 + "]" * 200)
    bottomless = b'{"type":"user","uuid":"z","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    junk = b'{"type":"custom","id":"\xff\xfe"}\n'
    lone = make("half", "a").replace(b"I am half", b"I am \\ud83d")
    head = HEAD if make is pi else b""
    content = head + make("a", None) + make("deep", "a", x=deep) + bottomless + junk + lone
    made = desk.bring(content)
    assert sum("kept as it is" in note for note in made.notes) == 3
    name = "pi" if make is pi else "claude-code"
    assert desk.fetch(made, format=name)[0].startswith(content)
    told = context(desk.session(made), None, 1000)
    assert "I am a" in json.dumps([m for m in told.model_dump()["messages"]])


def test_a_torn_end_is_kept(desk: Any) -> None:
    for content in (HEAD + pi("a", None) + pi("b", "a")[:-9],
                    claude("a", None) + claude("b", "a")[:-9]):  # fmt: skip
        made = desk.bring(content, as_new=True)
        assert "no JSON object" in made.notes[0]
        name = made.format
        kept = desk.fetch(made, format=name, **({"session_id": SESSION} if name != "pi" else {}))[0]
        assert kept == content or name == "pi"
        assert kept.endswith(content.splitlines()[-1])


def test_the_same_again_and_another_of_the_same_id(desk: Any) -> None:
    first = desk.bring(HEAD + pi("a", None))
    again = desk.bring(HEAD + pi("a", None))
    assert again.before
    assert again.session == first.session
    with pytest.raises(MesoError) as caught:
        desk.bring(HEAD + pi("a", None) + pi("b", "a"))
    assert (caught.value.code, caught.value.status) == ("session.exists", 409)
    assert "--as-new" in caught.value.hint
    other = desk.bring(HEAD + pi("a", None) + pi("b", "a"), as_new=True, name="Second")
    assert other.session.id != SESSION
    assert other.session.name == "Second"
    assert len(list(desk.store.all())) == 2


def test_a_dry_run_keeps_nothing(desk: Any) -> None:
    made = desk.bring(HEAD + pi("a", None), dry_run=True)
    assert (made.session, made.entries, made.branches) == (None, 1, 1)
    assert not list(desk.store.all())


def test_records_of_ours_that_make_no_sense_do_no_harm(desk: Any) -> None:
    """A file may say anything in the words of the service itself."""
    evil = [
        {"customType": "meso.restore", "data": {"from": {"a": 1}, "keep": "main"}},
        {"customType": "meso.branch", "data": {"name": "../x", "switch": True}},
        {"customType": "meso.rename", "data": {"from": "main", "to": "a/b"}},
        {"customType": "meso.stash", "data": {"tip": [1], "base": None, "note": "", "id": "x"}},
        {"customType": "meso.note", "data": {"targetId": 7, "text": []}},
    ]
    body, above = b"", None
    for number, data in enumerate(evil):
        record = {"type": "custom", "id": f"e{number}", "parentId": above, "timestamp": STAMP}
        body += line(record | data | {"meso": {"branch": "../../etc", "key": "k", "merged": [3]}})
        above = f"e{number}"
    made = desk.bring(HEAD + body)
    session = desk.session(made)
    assert made.more_notes + len(made.notes) == len(evil)
    assert all("/" not in one.name for one in show(session).branches)
    session.describe()
    assert desk.fetch(made, format="pi")[0] == HEAD + body


def test_many_forks_take_linear_time(desk: Any) -> None:
    body = b"".join(pi(f"n{i}", "n0" if i else None) for i in range(6000))
    began = time.monotonic()
    made = desk.bring(HEAD + body)
    assert made.branches <= 1010
    assert desk.fetch(made, format="pi")[0].startswith(HEAD + body)
    body = b"".join(claude(f"n{i}", "n0" if i else None) for i in range(6000))
    other = desk.bring(body, as_new=True)
    assert other.branches <= 1010
    assert time.monotonic() - began < 60


def test_what_pi_wrote_stays_as_it_was_however_odd(desk: Any) -> None:
    odd = pi("a", None) + pi("b", "a", message={"role": "assistant", "content": "bare"})
    made = desk.bring(HEAD + odd)
    assert desk.fetch(made, format="pi")[0] == HEAD + odd
    # The same words from an agent of ours are said as Pi needs them.
    session = desk.session(made)
    said = {"message": {"role": "assistant", "content": "ours"}}
    session.append(NewEntry(type="message", data=said), None)
    grown, told = desk.fetch(made, format="pi")
    assert grown.startswith(HEAD + odd)
    last = json.loads(grown.splitlines()[-1])["message"]
    assert last["content"] == [{"type": "text", "text": "ours"}]
    assert last["usage"]["totalTokens"] == 0
    assert told.notes == ("1 entries are said in Pi's words; each carries what it was",)


def test_pis_older_versions_are_brought_forward_as_pi_does(desk: Any) -> None:
    old = {"type": "session", "id": SESSION, "timestamp": STAMP, "cwd": "/work", "odd": 1}
    hook = {"type": "message", "timestamp": STAMP,
            "message": {"role": "hookMessage", "content": "x", "customType": "h"}}  # fmt: skip
    user = {"type": "message", "timestamp": STAMP, "message": {"role": "user", "content": "hi"}}
    fold = {"type": "compaction", "timestamp": STAMP, "summary": "s", "firstKeptEntryIndex": 2,
            "tokensBefore": 5, "extra": [1]}  # fmt: skip
    made = desk.bring(b"".join(map(line, (old, hook, user, fold))))
    entries = desk.session(made).page(None, 10).entries
    assert [e.parent_id for e in entries] == [None, entries[0].id, entries[1].id]
    assert entries[0].data["message"]["role"] == "custom"
    assert entries[2].data["firstKeptEntryId"] == entries[1].id
    assert entries[2].data["extra"] == [1]
    assert "version 1" in made.notes[0]
    header = json.loads(desk.fetch(made, format="pi")[0].splitlines()[0])
    assert (header["version"], header["odd"]) == (3, 1)
    second = [line(old | {"version": 2}), pi("a", None), pi("b", "a")]
    again = desk.bring(b"".join(second), as_new=True)
    assert [e.id for e in desk.session(again).page(None, 10).entries] == ["a", "b"]


def test_memory_is_bounded_by_the_records_and_not_by_what_they_say(desk: Any) -> None:
    for make, head in ((pi, HEAD), (claude, b"")):
        said = {"role": "user", "content": "x" * 100_000}
        body = b"".join(make(f"n{i}", f"n{i - 1}" if i else None, message=said)
                        for i in range(120))  # fmt: skip
        path = desk.place / "long.jsonl"
        path.write_bytes(head + body)
        size = len(body)
        del body
        made = exchange.bring(desk.store, path, ImportSession(as_new=True))
        # The search reads what is new in the background, by steps of its own.
        desk.store.search.find("nothing", None, 1, 60.0)
        tracemalloc.start()
        exchange.bring(desk.store, path, ImportSession(as_new=True, dry_run=True))
        for name in ("pi", "claude-code"):
            exchange.export(desk.store, desk.transfers, made.session.id, ExportSession(format=name))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < size / 2, f"{peak} of {size}"


def test_a_disk_that_fills_leaves_nothing(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("meso_services.session_manager.store.os.fsync", full)
        with pytest.raises(MesoError) as caught:
            desk.bring(HEAD + pi("a", None))
    assert (caught.value.code, caught.value.status) == ("storage.full", 507)
    assert not list(desk.store.all())
    assert desk.bring(HEAD + pi("a", None)).session is not None


@pytest.fixture
def goose(tmp_path: Path) -> Iterator[Path]:
    """A database as Goose's schema 17 has it, with columns that nobody knows."""
    path = tmp_path / "sessions.db"
    database = sqlite3.connect(path)
    database.executescript("""
        PRAGMA journal_mode=WAL;
        CREATE TABLE sessions (id TEXT PRIMARY KEY, name TEXT, session_type TEXT,
            working_dir TEXT, created_at TEXT, extension_data TEXT, total_tokens INTEGER,
            recipe_json TEXT, goose_mode TEXT, archived_at TEXT, project_id TEXT,
            parent_session_id TEXT, parent_delegation TEXT, novelty BLOB);
        CREATE TABLE messages (id INTEGER PRIMARY KEY, message_id TEXT, session_id TEXT,
            role TEXT, content_json TEXT, created_timestamp INTEGER, metadata_json TEXT);
        CREATE TABLE usage_ledger (session_id TEXT, tokens INTEGER);
    """)
    for ident in ("20260101_1", "20260101_2"):
        database.execute(
            "INSERT INTO sessions VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (ident, "Garden", "user", "/work", "2026-01-01T00:00:00Z", '{"todo.v0":{"c":"x"}}', 7,
             None, "auto", None, None, None, None, b"\x01\xff"),
        )  # fmt: skip
        call = {"type": "toolRequest", "id": "t1", "toolCall": {"status": "success", "value": {
            "name": "shell", "arguments": {"command": "ls"}}}}  # fmt: skip
        done = {"type": "toolResponse", "id": "t1", "toolResult": {"status": "success", "value": [
            {"type": "text", "text": "beans"}]}}  # fmt: skip
        said = [("user", [{"type": "text", "text": "What grows?"}]),
                ("assistant", [{"type": "text", "text": "I look."}, call]),
                ("user", [done]), ("assistant", [{"type": "text", "text": "Beans."}]),
                ("user", [{"type": "novel", "x": 1}])]  # fmt: skip
        for number, (role, content) in enumerate(said):
            database.execute(
                "INSERT INTO messages (message_id, session_id, role, content_json, "
                "created_timestamp, metadata_json) VALUES (?,?,?,?,?,?)",
                (f"m{number}", ident, role, json.dumps(content), 1_767_225_600 + number, "{}"),
            )
    database.execute("INSERT INTO usage_ledger VALUES ('20260101_1', 12)")
    database.commit()
    yield path
    database.close()


def test_gooses_database_becomes_sessions_and_its_json_comes_back(desk: Any, goose: Path) -> None:
    before = goose.read_bytes()
    found = found_in(str(goose), None)
    assert len(found) == 2
    content = b"".join(found_in(str(goose), "20260101_1")[0].content())
    made = desk.bring(content)
    assert (made.format, made.source, made.session.name) == ("goose", "20260101_1", "Garden")
    assert made.session.cwd == "/work"
    told = context(desk.session(made), None, 1000)
    text = json.dumps([m for m in told.model_dump()["messages"]])
    assert "beans" in text
    assert told.mended == ()
    back = json.loads(desk.fetch(made, format="goose")[0])
    assert back == json.loads(content)
    assert back["novelty"] == {"hex": "01ff"}
    assert back["meso_usage_ledger"] == [{"session_id": "20260101_1", "tokens": 12}]
    assert goose.read_bytes() == before


def test_what_goose_adds_to_ours_is_taken_up(desk: Any) -> None:
    first = desk.bring(HEAD + pi("a", None) + pi("b", "a") + pi("c", "a"))
    for_goose, told = desk.fetch(first, format="goose")
    assert "linear" in told.notes[0]
    grown = json.loads(for_goose)
    said = [{"type": "text", "text": "I am Goose."}]
    grown["conversation"].append({"role": "assistant", "created": 5, "content": said})
    desk.forget(first)
    again = desk.bring(json.dumps(grown).encode())
    entries = desk.session(again).page(None, 10).entries
    assert [e.id for e in entries[:3]] == ["a", "b", "c"]
    assert entries[3].data["message"]["content"][0]["text"] == "I am Goose."
    assert entries[3].parent_id == "c"


def test_a_session_of_nothing_but_a_name_is_whole_by_way_of_goose(desk: Any) -> None:
    named = {"type": "session_info", "id": "a", "parentId": None, "timestamp": STAMP, "name": "x"}
    first = desk.bring(HEAD + line(named))
    through = desk.fetch(first, format="goose")[0]
    desk.forget(first)
    again = desk.bring(through)
    assert [e.id for e in desk.session(again).page(None, 10).entries] == ["a"]


def test_a_database_that_is_not_gooses_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE sessions (id TEXT)")
    with pytest.raises(MesoError) as caught:
        found_in(str(path), None)
    assert caught.value.code == "import.unknown_format"
    path.write_bytes(b"SQLite format 3\0" + b"junk" * 50)
    with pytest.raises(CliError) as refused:
        found_in(str(path), None)
    assert refused.value.code == "cli.file_unreadable"
