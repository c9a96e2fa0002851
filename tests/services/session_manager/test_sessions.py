"""The session manager as a client sees it: a real process on a real socket."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

HELLO = {"type": "message", "data": {"message": {"role": "user", "content": "héllo\u2028"}}}


@pytest.fixture(scope="module")
def manager(shared_service: Any) -> Any:
    """One process for the whole file: sessions do not see each other."""
    return shared_service("session-manager")


def new_session(client: httpx.Client, **wanted: Any) -> dict[str, Any]:
    reply = client.post("/v1/sessions", json=wanted)
    assert reply.status_code == 201, reply.text
    return reply.json()


def append(
    client: httpx.Client, session: str, entry: dict[str, Any], **headers: str
) -> httpx.Response:
    return client.post(f"/v1/sessions/{session}/entries", json=entry, headers=headers)


def all_entries(client: httpx.Client, session: str, limit: int = 1000) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    params: dict[str, Any] = {"limit": limit}
    while True:
        page = client.get(f"/v1/sessions/{session}/entries", params=params).json()
        found += page["entries"]
        if page["next"] is None:
            return found
        params["after"] = page["next"]


def session_file(root: Path, session: str) -> Path:
    (found,) = (root / "meso/sessions/main").glob(f"*_{session}.jsonl")
    return found


def code_of(reply: httpx.Response) -> str:
    return reply.json()["error"]["code"]


def test_a_session_is_created_appended_to_and_read_back(manager: Any) -> None:
    """What was appended comes back in order, each entry chained to the one before."""
    with manager.client as client:
        session = new_session(client, name="First")
        assert (session["name"], session["entries"]) == ("First", 1)
        made = [append(client, session["id"], HELLO).json() for _ in range(3)]
        found = all_entries(client, session["id"])
        assert found[1:] == made
        assert [entry["parent_id"] for entry in found] == [None, *(e["id"] for e in found[:-1])]
        shown = client.get(f"/v1/sessions/{session['id']}").json()
        assert (shown["entries"], shown["leaf"]) == (4, made[-1]["id"])


def test_the_file_is_pi_version_3(manager: Any) -> None:
    """Header first, then id, parentId, timestamp and type in each line; Pi's ids are 8 hex."""
    with manager.client as client:
        session = new_session(client, cwd="/srv/project")
        append(client, session["id"], HELLO)
        append(client, session["id"], HELLO)
    header, first, second = map(
        json.loads, session_file(manager.root, session["id"]).read_text().splitlines()
    )
    assert (header["type"], header["version"], header["cwd"]) == ("session", 3, "/srv/project")
    assert header["id"] == session["id"]
    assert re.fullmatch(r"[0-9a-f]{8}", first["id"])
    assert (first["parentId"], second["parentId"]) == (None, first["id"])
    assert first["message"] == HELLO["data"]["message"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["timestamp"])


def test_an_entry_may_attach_anywhere_or_nowhere(manager: Any) -> None:
    """A tree: a second child of an old entry, and a second root."""
    with manager.client as client:
        ident = new_session(client)["id"]
        first = append(client, ident, HELLO).json()
        append(client, ident, HELLO)
        assert (
            append(client, ident, {**HELLO, "parent_id": first["id"]}).json()["parent_id"]
            == first["id"]
        )
        assert append(client, ident, {**HELLO, "parent_id": None}).json()["parent_id"] is None


def test_pages_cover_everything_once(manager: Any) -> None:
    with manager.client as client:
        ident = new_session(client)["id"]
        made = [append(client, ident, HELLO).json()["id"] for _ in range(7)]
        assert [entry["id"] for entry in all_entries(client, ident, limit=3)] == made
        sessions = {new_session(client)["id"] for _ in range(4)} | {ident}
        seen, after = [], None
        while True:
            page = client.get(
                "/v1/sessions", params={"limit": 2, **({"after": after} if after else {})}
            ).json()
            seen += [session["id"] for session in page["sessions"]]
            after = page["next"]
            if after is None:
                break
        assert len(seen) == len(set(seen))
        assert sessions <= set(seen)


@pytest.mark.parametrize("restart", [False, True])
def test_the_same_key_appends_once(manager: Any, restart: bool) -> None:
    """A client that repeats a request after a restart gets the entry that it had made."""
    with manager.client as client:
        ident = new_session(client)["id"]
        first = append(client, ident, HELLO, **{"Idempotency-Key": "k1"})
    if restart:
        manager.kill()
        manager.start()
    with manager.client as client:
        second = append(client, ident, HELLO, **{"Idempotency-Key": "k1"})
        other = append(client, ident, {"type": "custom", "data": {}}, **{"Idempotency-Key": "k1"})
        assert (first.status_code, second.status_code) == (201, 200)
        assert second.json() == first.json()
        assert (other.status_code, code_of(other)) == (409, "idempotency.conflict")
        assert len(all_entries(client, ident)) == 1


def test_the_same_key_creates_one_session(manager: Any) -> None:
    with manager.client as client:
        headers = {"Idempotency-Key": "create-1"}
        first = client.post("/v1/sessions", json={"name": "made once"}, headers=headers)
        second = client.post("/v1/sessions", json={"name": "made once"}, headers=headers)
        listed = client.get("/v1/sessions", params={"limit": 1000}).json()["sessions"]
    assert first.json()["id"] == second.json()["id"]
    assert [session["name"] for session in listed].count("made once") == 1


def test_unknown_things_are_refused_with_a_code(manager: Any) -> None:
    with manager.client as client:
        ident = new_session(client)["id"]
        assert code_of(client.get("/v1/sessions/nope")) == "session.not_found"
        assert code_of(append(client, "nope", HELLO)) == "session.not_found"
        reply = client.get(f"/v1/sessions/{ident}/entries", params={"after": "deadbeef"})
        assert (reply.status_code, code_of(reply)) == (404, "entry.not_found")
        reply = append(client, ident, {**HELLO, "parent_id": "deadbeef"})
        assert (reply.status_code, code_of(reply)) == (422, "entry.unknown_reference")
        reply = append(client, ident, {"type": "label", "data": {"targetId": "deadbeef"}})
        assert code_of(reply) == "entry.unknown_reference"
        reply = client.post("/v1/sessions", json={"parent_session": "nope"})
        assert code_of(reply) == "session.not_found"


@pytest.mark.parametrize(
    "entry",
    [
        {"type": "session"},
        {"type": "message"},
        {"type": "message", "data": {"message": {"content": "no role"}}},
        {"type": "custom", "data": {"parentId": "x"}},
        {"type": "custom", "data": {"deep": json.loads("[" * 70 + "]" * 70)}},
        {"type": "Not A Type"},
        {"type": "custom", "dta": {}},
    ],
)
def test_an_entry_that_others_could_not_read_is_refused(
    manager: Any, root: Path, entry: dict[str, Any]
) -> None:
    with manager.client as client:
        ident = new_session(client)["id"]
        before = session_file(manager.root, ident).read_bytes()
        assert append(client, ident, entry).status_code == 422
        assert session_file(manager.root, ident).read_bytes() == before


@pytest.mark.parametrize("value", ["NaN", "-Infinity", '"\\ud800"', '{"\\udfff": 1}'])
def test_what_is_not_strict_json_is_refused(manager: Any, value: str) -> None:
    with manager.client as client:
        ident = new_session(client)["id"]
        body = '{"type": "custom", "data": {"x": ' + value + "}}"
        reply = client.post(
            f"/v1/sessions/{ident}/entries",
            content=body,
            headers={"content-type": "application/json"},
        )
        assert (reply.status_code, code_of(reply)) == (422, "request.invalid")


def test_many_clients_at_once_lose_nothing(manager: Any) -> None:
    """Every acknowledged entry is there, once, in one chain."""
    with manager.client as client:
        ident = new_session(client)["id"]

    def work(worker: int) -> list[str]:
        with manager.client as client:
            entry = {"type": "custom", "data": {"worker": worker}}
            return [append(client, ident, entry).json()["id"] for _ in range(25)]

    with ThreadPoolExecutor(8) as pool:
        acknowledged = [ident for made in pool.map(work, range(8)) for ident in made]
    with manager.client as client:
        found = all_entries(client, ident)
    assert sorted(entry["id"] for entry in found) == sorted(acknowledged)
    assert [e["parent_id"] for e in found] == [None, *(e["id"] for e in found[:-1])]


def test_a_second_process_on_the_same_store_is_refused(manager: Any) -> None:
    """Two writers would tear each other's lines; the second one says who is in the way."""
    again = subprocess.run(
        [sys.executable, "-m", "meso_services.session_manager", "--root", str(manager.root),
         "--socket", str(manager.root / "other.sock")],
        capture_output=True, text=True, timeout=60, check=False,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert again.returncode == 1
    assert "another session manager writes to" in again.stderr


def test_a_line_that_another_program_appended_is_noticed(manager: Any) -> None:
    with manager.client as client:
        ident = new_session(client)["id"]
        append(client, ident, HELLO)
        foreign = {"type": "future_kind", "id": "f00", "parentId": None, "timestamp": "t", "x": [1]}
        with session_file(manager.root, ident).open("a") as file:
            file.write(json.dumps(foreign) + "\n")
        newest = all_entries(client, ident)[-1]
        assert (newest["id"], newest["data"]) == ("f00", {"x": [1]})
        assert append(client, ident, HELLO).json()["parent_id"] == "f00"


FOREIGN = [
    (r'{"type":"message","id":"a b/ü","parentId":null,"timestamp":"t","half":"\ud83d"}', True),
    (r'{"type":"custom","id":"big","parentId":null,"timestamp":"t","n":1e999}', False),
    (r'{"type":"custom","id":"nan","parentId":null,"timestamp":"t","n":NaN}', False),
    (r'{"type":"custom","id":"\ud83d","parentId":null,"timestamp":"t"}', False),
    (r'{"type":"custom","id":7,"parentId":null,"timestamp":"t"}', False),
    (r'{"type":"session_info","id":"named","parentId":null,"timestamp":"t","name":"\ud83d"}', True),
    ("[" * 100_000, False),
]


def test_what_other_programs_wrote_is_carried_or_counted(manager: Any) -> None:
    """Half a character in a text passes; what no client could read is kept in the file only."""
    with manager.client as client:
        ident = new_session(client)["id"]
        with session_file(manager.root, ident).open("a") as file:
            for line, _ in FOREIGN:
                file.write(line + "\n")
            file.write('{"type":"custom","id":"last","parentId":null,"timestamp":"t"}\n')
        first, named, last = all_entries(client, ident, limit=1)
        shown = client.get(f"/v1/sessions/{ident}").json()
    assert first["data"] == {"half": "\ud83d"}
    assert (named["id"], last["id"]) == ("named", "last")
    assert (shown["entries"], shown["damaged_lines"], shown["name"]) == (3, 5, "?")


def test_foreign_files_are_left_alone_and_reported(manager: Any) -> None:
    """Health degrades, says which file and why, and the file stays as it is."""
    stranger = manager.root / "meso/sessions/main/stranger.jsonl"
    stranger.write_text('{"type":"session","version":9,"id":"x"}\n')
    with manager.client as client:
        client.get("/v1/sessions")
        time.sleep(1.1)  # health is remembered for a second
        health = client.get("/healthz").json()
    assert health["state"] == "degraded"
    (files,) = [check for check in health["checks"] if check["name"] == "files"]
    assert "stranger.jsonl: its version is 9, not 3" in files["detail"]
    assert stranger.read_text() == '{"type":"session","version":9,"id":"x"}\n'
    stranger.unlink()


def test_deep_health_writes_and_leaves_nothing(manager: Any) -> None:
    with manager.client as client:
        health = client.get("/healthz", params={"deep": 1}).json()
    assert {"store", "append"} <= {check["name"] for check in health["checks"] if check["ok"]}
    assert list((manager.root / "meso/sessions/.health").iterdir()) == []
