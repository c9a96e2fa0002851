"""Branches, merges and what a model is sent, as a client of the socket sees them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest


@pytest.fixture(scope="module")
def manager(shared_service: Any) -> Any:
    return shared_service("session-manager")


class Talk:
    """A session, spoken to over the socket."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.id = client.post("/v1/sessions", json={}).json()["id"]

    def ask(self, method: str, path: str, status: int = 200, **more: Any) -> Any:
        reply = self.client.request(method, f"/v1/sessions/{self.id}{path}", **more)
        assert reply.status_code == status, (path, reply.text)
        return reply.json()

    def say(self, text: str, branch: str | None = None, role: str = "user") -> str:
        message = {"role": role, "content": [{"type": "text", "text": text}]}
        more = {"branch": branch} if branch else {}
        entry = {"type": "message", "data": {"message": message}, **more}
        return self.ask("POST", "/entries", 201, json=entry)["id"]

    def turn(self, text: str, branch: str | None = None) -> None:
        self.say(text, branch)
        self.say(f"answer to {text}", branch, "assistant")

    def texts(self, branch: str, **params: Any) -> list[str]:
        found = self.ask("GET", "/context", params={"branch": branch, **params})
        return [b["text"] for m in found["messages"] for b in m["content"] if b["type"] == "text"]

    def code(self, method: str, path: str, **more: Any) -> tuple[int, str]:
        reply = self.client.request(method, f"/v1/sessions/{self.id}{path}", **more)
        return reply.status_code, reply.json()["error"]["code"]


@pytest.fixture
def talk(manager: Any) -> Any:
    with manager.client as client:
        yield Talk(client)


def test_a_branch_begins_anywhere_and_leaves_the_other_alone(talk: Talk) -> None:
    for text in ("one", "two"):
        talk.turn(text)
    made = talk.ask("POST", "/branches", 201, json={"name": "try", "message": 2})
    assert (made["branch"], made["head"]) == ("try", "main")
    talk.turn("other", "try")
    assert talk.texts("try") == ["one", "answer to one", "other", "answer to other"]
    assert talk.texts("main") == ["one", "answer to one", "two", "answer to two"]
    talk.ask("POST", "/switch", json={"branch": "try"})
    talk.say("after the switch")
    assert talk.texts("try")[-1] == "after the switch"
    shown = talk.ask("GET", "/branches")["branches"]
    assert [(b["name"], b["messages"], b["current"]) for b in shown] == [
        ("main", 4, False),
        ("try", 5, True),
    ]


def test_names_are_changed_and_dropped_but_nothing_is_lost(talk: Talk) -> None:
    talk.turn("one")
    talk.ask("POST", "/branches", 201, json={"name": "a", "switch": True})
    talk.turn("two")
    assert talk.code("PATCH", "/branches/a", json={"name": "main"}) == (409, "branch.exists")
    talk.ask("PATCH", "/branches/a", json={"name": "b"})
    assert talk.code("DELETE", "/branches/b") == (409, "branch.current")
    talk.ask("POST", "/switch", json={"branch": "main"})
    talk.ask("DELETE", "/branches/b")
    dropped = talk.ask("GET", "/branches")["dropped"]
    talk.ask("POST", "/branches", 201, json={"name": "back", "at": dropped["b"]})
    assert talk.texts("back")[-1] == "answer to two"


def test_wrong_requests_about_branches_have_codes(talk: Talk) -> None:
    talk.turn("one")
    assert talk.code("POST", "/switch", json={"branch": "no"}) == (404, "branch.not_found")
    assert talk.code("POST", "/branches", json={"name": "main"}) == (409, "branch.exists")
    assert talk.code("POST", "/branches", json={"name": "x", "at": "no"})[1] == "entry.not_found"
    asked = {"name": "x", "message": 9}
    assert talk.code("POST", "/branches", json=asked)[1] == "entry.no_such_message"
    assert talk.code("POST", "/branches", json={"name": "../x"})[0] == 422
    assert talk.code("POST", "/merge", json={"source": "main"})[1] == "merge.same_branch"
    reserved = {"type": "custom", "data": {"customType": "meso.drop", "data": {"branch": "main"}}}
    assert talk.code("POST", "/entries", json=reserved)[1] == "entry.reserved"


def test_turns_of_two_branches_interleave_in_the_order_of_time(talk: Talk) -> None:
    talk.turn("base")
    talk.ask("POST", "/branches", 201, json={"name": "side"})
    for text, branch in (("m1", "main"), ("s1", "side"), ("m2", "main"), ("s2", "side")):
        talk.turn(text, branch)
    before = talk.texts("side")
    merged = talk.ask("POST", "/merge", json={"source": "side", "target": "main"})
    assert (merged["strategy"], merged["added"], merged["repeated"]) == ("interleave", 4, 2)
    asked = [text for text in talk.texts("main") if not text.startswith("answer")]
    assert asked == ["base", "m1", "s1", "m2", "s2"]
    assert talk.texts("side") == before
    again = talk.ask("POST", "/merge", json={"source": "side", "target": "main"})
    assert (again["strategy"], again["changed"]) == ("none", False)
    talk.turn("s3", "side")
    third = talk.ask("POST", "/merge", json={"source": "side", "target": "main"})
    assert (third["added"], third["base"]) == (2, merged["theirs"])


@pytest.mark.parametrize("strategy", ["extract", "summarise"])
def test_a_branch_comes_back_as_a_summary(talk: Talk, strategy: str) -> None:
    """Without a model the summary is an extract, and the answer says why."""
    talk.turn("base")
    talk.ask("POST", "/branches", 201, json={"name": "side"})
    talk.turn("what did you find?", "side")
    talk.turn("goes on", "main")
    asked = {"source": "side", "target": "main", "strategy": strategy}
    merged = talk.ask("POST", "/merge", json=asked)
    assert merged["strategy"] == "extract"
    assert bool(merged["fallback"]) == (strategy == "summarise")
    assert "answer to what did you find?" in talk.texts("main")[-1]


def test_a_dry_run_changes_nothing_and_a_key_merges_once(talk: Talk) -> None:
    talk.turn("base")
    talk.ask("POST", "/branches", 201, json={"name": "side"})
    talk.turn("new", "side")
    count = talk.ask("GET", "")["entries"]
    talk.ask("POST", "/merge", json={"source": "side", "dry_run": True})
    assert talk.ask("GET", "")["entries"] == count
    key = {"Idempotency-Key": "merge-once"}
    first = talk.ask("POST", "/merge", json={"source": "side"}, headers=key)
    second = talk.ask("POST", "/merge", json={"source": "side"}, headers=key)
    assert (first["tip"], first["strategy"]) == (second["tip"], second["strategy"])
    assert first["strategy"] == "forward"
    assert talk.texts("main") == talk.texts("side")


def test_tasks_of_the_branch_come_along_by_rule(talk: Talk) -> None:
    """Alike tasks become one with the further status; others move; differences are told."""
    talk.turn("base")
    talk.ask("POST", "/branches", 201, json={"name": "side"})
    talk.turn("new", "side")

    def task(**fields: Any) -> str:
        made = talk.client.post("/v1/tasks", json={"session": talk.id, **fields})
        return made.json()["id"]

    ours = task(subject="same", branch="main", labels=["a"])
    theirs = task(subject="same", branch="side", labels=["b"], status="completed")
    alone = task(subject="alone", branch="side")
    merged = talk.ask("POST", "/merge", json={"source": "side"})
    told = {t: talk.client.get(f"/v1/tasks/{t}").json() for t in (ours, theirs, alone)}
    assert (told[ours]["status"], told[ours]["labels"]) == ("completed", ["a", "b"])
    assert told[theirs]["status"] == "cancelled"
    assert told[theirs]["metadata"] == {"merged_into": ours}
    assert told[alone]["branch"] == "main"
    assert [c["name"] for c in merged["conflicts"]] == ["same: status"]


@pytest.mark.parametrize("later", ["ours", "theirs"])
@pytest.mark.parametrize("strategy", ["interleave", "append", "extract"])
def test_labels_that_differ_are_conflicts_and_the_target_keeps_its_own(
    talk: Talk, later: str, strategy: str
) -> None:
    first = talk.say("base")
    talk.ask("POST", "/branches", 201, json={"name": "side"})
    talk.turn("s", "side")
    talk.turn("m", "main")
    both = [("ours", "main"), ("theirs", "side")]
    for label, branch in both if later == "theirs" else both[::-1]:
        talk.ask("POST", "/labels", json={"target": first, "label": label, "branch": branch})
    merged = talk.ask("POST", "/merge", json={"source": "side", "strategy": strategy})
    (conflict,) = merged["conflicts"]
    assert (conflict["ours"], conflict["theirs"]) == ("ours", "theirs")
    assert talk.ask("GET", "/marks")["labels"] == {first: "ours"}


def test_a_compaction_of_the_source_hides_nothing_of_the_target(talk: Talk) -> None:
    talk.turn("base")
    talk.ask("POST", "/branches", 201, json={"name": "side"})
    talk.turn("early", "main")
    for number in range(4):
        talk.turn(f"s{number} " + "x" * 300, "side")
    done = talk.ask("POST", "/compact", json={"branch": "side", "keep": 100, "force": True})
    assert done["compacted"]
    talk.turn("after", "side")
    talk.ask("POST", "/merge", json={"source": "side"})
    asked = [text.split()[0] for text in talk.texts("main") if not text.startswith("answer")]
    assert asked == ["base", "early", "s0", "s1", "s2", "s3", "after"]


def test_cherry_pick_brings_a_call_with_its_result(talk: Talk) -> None:
    talk.turn("base")
    talk.ask("POST", "/branches", 201, json={"name": "side"})
    call = {"type": "toolCall", "id": "c1", "name": "read", "arguments": {"path": "a"}}
    said = {"role": "assistant", "content": [call]}
    entry = {"type": "message", "branch": "side", "data": {"message": said}}
    asked = talk.ask("POST", "/entries", 201, json=entry)["id"]
    result = {"role": "toolResult", "toolCallId": "c1", "toolName": "read", "content": "text"}
    entry = {"type": "message", "branch": "side", "data": {"message": result}}
    talk.ask("POST", "/entries", 201, json=entry)
    picked = talk.ask("POST", "/cherry-pick", json={"entries": [asked], "branch": "main"})
    assert len(picked["entries"]) == 2
    messages = talk.ask("GET", "/context", params={"branch": "main"})["messages"]
    assert [block["type"] for m in messages[-2:] for block in m["content"]] == [
        "text", "tool_use", "tool_result"]  # fmt: skip


def test_rebase_and_stash_move_what_is_on_one_branch_only(talk: Talk) -> None:
    talk.turn("base")
    talk.ask("POST", "/branches", 201, json={"name": "side"})
    talk.turn("s", "side")
    talk.turn("m", "main")
    talk.ask("POST", "/rebase", json={"branch": "side", "onto": "main"})
    assert [t for t in talk.texts("side") if "answer" not in t] == ["base", "m", "s"]
    again = talk.ask("POST", "/rebase", json={"branch": "side", "onto": "main"})
    assert again["changed"] is False
    talk.ask("POST", "/stash", json={"branch": "side", "message": 4, "note": "later"})
    assert [t for t in talk.texts("side") if "answer" not in t] == ["base", "m"]
    assert [s["note"] for s in talk.ask("GET", "/stash")["stash"]] == ["later"]
    talk.ask("POST", "/stash/pop", json={})
    assert [t for t in talk.texts("side") if "answer" not in t] == ["base", "m", "s"]
    assert talk.ask("GET", "/stash")["stash"] == []
    assert talk.code("POST", "/stash/pop", json={}) == (404, "stash.not_found")


def test_diff_log_and_replay_tell_the_same_story(talk: Talk) -> None:
    talk.turn("base")
    talk.ask("POST", "/branches", 201, json={"name": "side"})
    then = talk.say("s", "side")
    talk.turn("m", "main")
    talk.ask("PATCH", "/state", json={"set": {"mood": "good"}})
    diff = talk.ask("GET", "/diff", params={"from": "main", "to": "side"})
    assert len(diff["only_from"]) == 2
    assert [entry["id"] for entry in diff["only_to"]] == [then]
    newest = talk.ask("GET", "/log", params={"branch": "side", "limit": 1})
    assert newest["entries"][0]["id"] == then
    rest = talk.ask("GET", "/log", params={"before": newest["next"]})
    assert len(rest["entries"]) == 3
    was = talk.ask("GET", "/replay", params={"at": then})
    assert (was["branches"]["side"], was["variables"]) == (then, {})
    assert talk.ask("GET", "/replay")["variables"] == {"mood": "good"}
    assert talk.ask("GET", "/state")["variables"] == {"mood": "good"}
    talk.ask("PATCH", "/state", json={"unset": ["mood"]})
    assert talk.ask("GET", "/state")["variables"] == {}


def test_a_fork_shares_ids_and_knows_its_family(talk: Talk) -> None:
    talk.turn("one")
    talk.turn("two")
    made = talk.ask("POST", "/fork", 201, json={"message": 2, "name": "child"})
    entries = talk.client.get(f"/v1/sessions/{made['id']}/entries").json()["entries"]
    own = talk.ask("GET", "/entries")["entries"]
    assert [e["id"] for e in entries[:2]] == [e["id"] for e in own[:2]]
    assert (made["name"], made["parent_session"]) == ("child", talk.id)
    family = talk.ask("GET", "/family")
    assert [child["id"] for child in family["children"]] == [made["id"]]
    of_child = talk.client.get(f"/v1/sessions/{made['id']}/family").json()
    assert [one["id"] for one in of_child["ancestors"]] == [talk.id]
    listed = talk.client.get("/v1/sessions", params={"parent": talk.id}).json()["sessions"]
    assert [one["id"] for one in listed] == [made["id"]]


def test_an_archived_session_is_read_only_until_it_is_taken_up(talk: Talk) -> None:
    talk.turn("one")
    assert talk.ask("PATCH", "", json={"archived": True, "name": "old"})["archived"] is True
    entry = {"type": "custom", "data": {}}
    assert talk.code("POST", "/entries", json=entry) == (409, "session.archived")
    assert talk.code("POST", "/branches", json={"name": "x"}) == (409, "session.archived")
    assert talk.texts("main") == ["one", "answer to one"]
    assert talk.ask("PATCH", "", json={"archived": False})["name"] == "old"
    talk.turn("two")


def test_deletion_is_asked_for_twice_and_can_be_undone(talk: Talk, manager: Any) -> None:
    talk.turn("keep me")
    before = talk.ask("GET", "/entries")
    first = talk.client.delete(f"/v1/sessions/{talk.id}")
    assert (first.status_code, first.json()["error"]["code"]) == (409, "session.confirm")
    wrong = talk.client.delete(f"/v1/sessions/{talk.id}", params={"confirm": "0" * 16})
    assert wrong.status_code == 409
    token = wrong.json()["error"]["detail"]["confirm"]
    gone = talk.ask("DELETE", "", params={"confirm": token})
    assert (manager.root / "meso/sessions" / gone["kept_as"]).is_file()
    assert talk.code("GET", "") == (404, "session.not_found")
    assert talk.id in talk.client.get("/v1/deleted").json()["sessions"]
    talk.ask("POST", "/undelete")
    assert talk.ask("GET", "/entries") == before


def test_search_finds_words_and_says_where(talk: Talk) -> None:
    entry = talk.say("the zebra crosses the quiet street")
    talk.ask("POST", "/branches", 201, json={"name": "side"})
    found = talk.client.get("/v1/search", params={"q": "ZEBRA street"}).json()["hits"]
    assert [(h["entry"], h["branches"]) for h in found] == [(entry, ["main", "side"])]
    assert "**zebra**" in found[0]["snippet"]
    other = talk.client.post("/v1/sessions", json={}).json()["id"]
    params = {"q": "zebra", "session": other}
    assert talk.client.get("/v1/search", params=params).json()["hits"] == []
    assert talk.client.get("/v1/search", params={"q": '"*('}).status_code == 422


def test_the_ledger_counts_each_answer_once(talk: Talk) -> None:
    """A merge repeats entries; what they used is not used again."""
    talk.say("base")
    talk.ask("POST", "/branches", 201, json={"name": "side"})
    pi = {"input": 10, "output": 5, "cacheRead": 3, "cacheWrite": 1, "cost": {"total": 0.5}}
    anthropic = {"input_tokens": 7, "output_tokens": 2, "cache_read_input_tokens": 1}
    for branch, usage in (("side", pi), ("main", anthropic)):
        said = {"role": "assistant", "content": "x", "model": "m", "provider": "p", "usage": usage}
        entry = {"type": "message", "branch": branch, "data": {"message": said}}
        talk.ask("POST", "/entries", 201, json=entry)
    talk.ask("POST", "/merge", json={"source": "side", "strategy": "append"})
    reply = talk.ask("GET", "/usage")
    assert {row["branch"]: row["input"] for row in reply["rows"]} == {"side": 10, "main": 7}
    total = reply["total"]
    assert (total["input"], total["output"], total["cache_read"], total["cost"]) == (17, 7, 4, 0.5)


def test_entries_in_one_piece_are_all_there_under_one_key(talk: Talk) -> None:
    new = [{"type": "custom", "data": {"n": n}} for n in range(5)]
    key = {"Idempotency-Key": "batch"}
    made = talk.ask("POST", "/entries/batch", 201, json={"entries": new}, headers=key)["entries"]
    again = talk.ask("POST", "/entries/batch", 200, json={"entries": new}, headers=key)["entries"]
    assert made == again
    assert [e["parent_id"] for e in made] == [None, *(e["id"] for e in made[:-1])]
    assert talk.ask("GET", "")["leaf"] == made[-1]["id"]
    other = {"entries": new[:4]}
    reply = talk.code("POST", "/entries/batch", json=other, headers=key)
    assert reply == (409, "idempotency.conflict")


def test_compaction_adds_keeps_the_last_request_and_does_not_repeat(talk: Talk) -> None:
    for number in range(30):
        talk.turn(f"request {number} " + "x" * 400)
    before = talk.ask("GET", "/entries", params={"limit": 1000})["entries"]
    done = talk.ask("POST", "/compact", json={"keep": 1000})
    assert done["compacted"] and done["tokens_after"] < done["tokens_before"]
    after = talk.ask("GET", "/entries", params={"limit": 1000})["entries"]
    assert after[: len(before)] == before
    assert after[-1]["type"] == "compaction"
    texts = talk.texts("main")
    assert texts[0].startswith("Summary of the conversation so far") and "request 0" in texts[0]
    assert texts[-2].startswith("request 29")
    again = talk.ask("POST", "/compact", json={"keep": 1000})
    assert (again["compacted"], again["entry"]) == (False, None)
    small = talk.ask("GET", "/context", params={"budget": 400})
    asked = [b["text"] for b in small["messages"][-2]["content"]]
    assert asked[-1].startswith("request 29")
