"""The seed's five models of branching, each by a verb of its own, on one and the same session."""

from __future__ import annotations

import json
from typing import Any

import pytest

from meso_cli import command
from meso_cli.verbs.session.ask import Ask, call
from meso_services.contract.client import Connection, SessionManager, message
from meso_services.contract.session import CreateSession


@pytest.fixture
def manager(service: Any) -> Any:
    return service("session-manager")


def test_one_session_is_reached_by_all_five(manager: Any) -> None:
    with Connection("session-manager", manager.socket.parent) as connection:

        def verb(line: str) -> dict[str, Any]:
            ask = command.parse(["session", *line.split()]).request
            assert isinstance(ask, Ask)
            return call(connection, ask)

        api = SessionManager(connection)
        ident = api.create(CreateSession()).id
        one = api.append(ident, message("user", "one"))
        two = api.append(ident, message("assistant", "two"))

        # 1. Names over a graph with shared history: a branch repeats nothing.
        size = api.show(ident).entries
        verb(f"branch {ident} try --at {two.id} --no-files")
        assert api.show(ident).entries == size + 1
        shared = verb(f"log {ident} --branch try")["entries"]
        assert [e["id"] for e in shared[-2:]] == [two.id, one.id]

        # 2. Pi's tree in lines: each says its parent, and any program can walk it.
        (file,) = (manager.root / "meso/sessions/main").glob(f"*_{ident}.jsonl")
        head, *lines = [json.loads(line) for line in file.read_text().splitlines()]
        assert (head["type"], head["version"]) == ("session", 3)
        assert {line["parentId"] for line in lines} <= {None, *(line["id"] for line in lines)}

        # 3. Sessions inside sessions: a child knows its parent, and both can be asked.
        child = verb(f"fork {ident} --at {one.id} --name errand")
        grandchild = verb(f"fork {child['id']} --name errand-2")
        below = verb(f"family {ident}")["children"]
        assert {c["id"] for c in below} == {child["id"], grandchild["id"]}
        above = verb(f"family {grandchild['id']}")["ancestors"]
        assert {a["id"] for a in above} == {ident, child["id"]}
        api.append(child["id"], message("assistant", "aardvark found"))
        assert verb(f"search aardvark --session {child['id']}")["hits"]

        # 4. A log of events that can be played to any point: what was it thinking here?
        verb(f"state set {ident} plan A")
        here = verb(f"log {ident} --limit 1")["entries"][0]["id"]
        verb(f"state set {ident} plan B")
        then = verb(f"replay {ident} --at {here}")
        assert (then["variables"], then["head"]) == ({"plan": "A"}, "main")
        before = verb(f"replay {ident} --at {two.id}")
        assert list(before["branches"]) == ["main"]
        assert [e["id"] for e in before["path"]][-1] == two.id

        # 5. A graph with merges: an entry with two parents, and the context has both.
        api.append(ident, message("user", "tried").model_copy(update={"branch": "try"}))
        merged = verb(f"merge {ident} try --no-files")
        assert merged["changed"]
        newest = verb(f"log {ident} --limit 5")["entries"]
        assert any(entry.get("merged") for entry in newest)
        said = json.dumps(verb(f"context {ident}")["messages"])
        assert all(word in said for word in ("one", "two", "tried"))
