"""Tasks over the socket: kept, filtered, ordered, and made only once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest


@pytest.fixture
def client(service: Any) -> httpx.Client:
    return service("session-manager").client


def create(client: httpx.Client, subject: str, **more: Any) -> dict[str, Any]:
    reply = client.post("/v1/tasks", json={"subject": subject, **more})
    assert reply.status_code == 201, reply.text
    return reply.json()


def change(client: httpx.Client, task: dict[str, Any], **changes: Any) -> httpx.Response:
    return client.patch(f"/v1/tasks/{task['id']}", json=changes)


def code(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]["code"]


def log_of(root: Path) -> list[dict[str, Any]]:
    lines = (root / "meso/sessions/tasks/tasks.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_task_is_kept_and_changed_by_lines_that_a_person_can_read(
    client: httpx.Client, root: Path
) -> None:
    made = create(client, "Water the garden", labels=["garden"], description="Both beds.")
    changed = change(client, made, status="in_progress", owner="ariel").json()
    assert (changed["status"], changed["owner"], changed["version"]) == ("in_progress", "ariel", 2)
    assert client.get(f"/v1/tasks/{made['id']}").json() == changed
    header, first, second = log_of(root)
    assert header["type"] == "session"
    assert first["changes"]["subject"] == "Water the garden"
    assert (second["task"], second["parentId"]) == (made["id"], first["id"])
    assert second["changes"] == {"status": "in_progress", "owner": "ariel"}


def test_a_restart_changes_nothing(service: Any) -> None:
    manager = service("session-manager")
    with manager.client as client:
        one = create(client, "one", metadata={"a": 1, "b": {"c": [None]}})
        two = create(client, "two", blocked_by=[one["id"]])
        change(client, one, metadata={"a": None, "d": "é"}, labels=["x"])
        before = client.get("/v1/tasks").json()
    manager.kill()
    with manager.start().client as client:
        assert client.get("/v1/tasks").json() == before
    assert before["tasks"][0]["metadata"] == {"b": {"c": [None]}, "d": "é"}
    assert before["tasks"][0]["blocks"] == [two["id"]]


def test_a_task_waits_for_what_it_depends_on(client: httpx.Client) -> None:
    dig = create(client, "dig")
    plant = create(client, "plant", blocked_by=[dig["id"]])
    assert (dig["ready"], plant["ready"]) == (True, False)
    refused = change(client, plant, status="in_progress")
    assert code(refused) == (409, "task.blocked")
    assert refused.json()["error"]["detail"] == {"blocked_by": [dig["id"]]}
    change(client, dig, status="completed")
    assert client.get(f"/v1/tasks/{plant['id']}").json()["ready"]
    assert change(client, plant, status="completed").json()["status"] == "completed"


def test_force_goes_over_a_dependency(client: httpx.Client) -> None:
    dig = create(client, "dig")
    plant = create(client, "plant", blocked_by=[dig["id"]])
    forced = change(client, plant, status="completed", force=True)
    assert forced.json()["status"] == "completed"


def test_tasks_never_wait_for_each_other_in_a_circle(client: httpx.Client) -> None:
    first = create(client, "first")
    second = create(client, "second", blocked_by=[first["id"]])
    third = create(client, "third", blocked_by=[second["id"]])
    refused = change(client, first, blocked_by=[third["id"]])
    assert code(refused) == (409, "task.cycle")
    ids = [first["id"], third["id"], second["id"], first["id"]]
    assert refused.json()["error"]["detail"]["cycle"] == ids
    assert code(change(client, first, blocked_by=[first["id"]])) == (409, "task.cycle")
    assert client.get(f"/v1/tasks/{first['id']}").json()["version"] == 1


def test_filters_and_pages(client: httpx.Client) -> None:
    tasks = [
        create(client, f"t{n}", labels=["even" if n % 2 == 0 else "odd"], owner=f"o{n % 3}")
        for n in range(9)
    ]
    change(client, tasks[0], status="cancelled")

    def found(**query: Any) -> list[str]:
        return [t["subject"] for t in client.get("/v1/tasks", params=query).json()["tasks"]]

    assert found(label="even") == ["t0", "t2", "t4", "t6", "t8"]
    assert found(owner="o0", status="pending") == ["t3", "t6"]
    assert found(status=["cancelled", "completed"]) == ["t0"]
    assert found(ready=False) == ["t0"]
    page = client.get("/v1/tasks", params={"label": "even", "limit": 2}).json()
    rest = client.get("/v1/tasks", params={"label": "even", "after": page["next"]}).json()
    subjects = [t["subject"] for t in [*page["tasks"], *rest["tasks"]]]
    assert subjects == ["t0", "t2", "t4", "t6", "t8"]
    assert rest["next"] is None


def test_the_same_key_makes_and_changes_only_once(service: Any) -> None:
    manager = service("session-manager")
    with manager.client as client:
        headers = {"Idempotency-Key": "k1"}
        wanted = {"subject": "once"}
        made = client.post("/v1/tasks", json=wanted, headers=headers)
        change_headers = {"Idempotency-Key": "k2"}
        path, done = f"/v1/tasks/{made.json()['id']}", {"status": "completed"}
        client.patch(path, json=done, headers=change_headers)
        client.patch(path, json={"status": "pending"})
    manager.kill()
    with manager.start().client as client:
        again = client.post("/v1/tasks", json=wanted, headers=headers)
        assert (made.status_code, again.status_code) == (201, 200)
        assert again.json()["id"] == made.json()["id"]
        late = client.patch(path, json=done, headers=change_headers).json()
        assert (late["status"], late["version"]) == ("pending", 3)
        other = client.post("/v1/tasks", json={"subject": "other"}, headers=headers)
        assert code(other) == (409, "idempotency.conflict")
        assert len(client.get("/v1/tasks").json()["tasks"]) == 1


def test_two_who_claim_one_task_do_not_both_get_it(client: httpx.Client) -> None:
    task = create(client, "claim me")
    assert change(client, task, owner="a", if_version=1).status_code == 200
    assert code(change(client, task, owner="b", if_version=1)) == (409, "task.changed")


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": None},
        {"subject": "  "},
        {"status": "someday"},
        {"labels": ["two words"]},
        {"blocked_by": ["nobody"]},
        {"metadata": {"x": "y" * 20_000}},
        {"description": "\ud800"},
        {"colour": "blue"},
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    client: httpx.Client, changes: dict[str, Any]
) -> None:
    task = create(client, "still the same")
    body = json.dumps(changes)
    headers = {"content-type": "application/json"}
    reply = client.patch(f"/v1/tasks/{task['id']}", content=body, headers=headers)
    assert reply.status_code == 422, reply.text
    assert client.get(f"/v1/tasks/{task['id']}").json() == task


def test_metadata_does_not_grow_without_bound(client: httpx.Client) -> None:
    task = create(client, "much", metadata={"a": "x" * 10_000})
    assert code(change(client, task, metadata={"b": "x" * 10_000})) == (
        422,
        "task.metadata_too_large",
    )


def test_there_is_a_most(service: Any) -> None:
    with service("session-manager", {"max_tasks": 2}).client as client:
        create(client, "one")
        create(client, "two")
        assert code(client.post("/v1/tasks", json={"subject": "x"})) == (507, "task.too_many")


def test_a_damaged_line_costs_that_line_only(service: Any, root: Path) -> None:
    manager = service("session-manager")
    with manager.client as client:
        one = create(client, "one")
        with (root / "meso/sessions/tasks/tasks.jsonl").open("ab") as log:
            log.write(b"not json\n")
            log.write(b'{"type":"task","id":"x","parentId":null,"timestamp":"t","changes":{}}\n')
            log.write(b'{"type":"other","id":"y","parentId":null,"timestamp":"t"}\n')
        two = create(client, "two")
        assert [t["id"] for t in client.get("/v1/tasks").json()["tasks"]] == [one["id"], two["id"]]


def test_a_log_that_was_replaced_is_read_anew(service: Any, root: Path) -> None:
    with service("session-manager").client as client:
        create(client, "gone")
        path = root / "meso/sessions/tasks/tasks.jsonl"
        path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
        assert client.get("/v1/tasks").json()["tasks"] == []
        kept = create(client, "new")
        assert [t["id"] for t in client.get("/v1/tasks").json()["tasks"]] == [kept["id"]]


def test_the_history_says_what_changed(client: httpx.Client) -> None:
    task = create(client, "a")
    for number in range(3):
        change(client, task, owner=f"o{number}")
    path = f"/v1/tasks/{task['id']}/events"
    first = client.get(path, params={"limit": 2}).json()
    rest = client.get(path, params={"after": first["next"]}).json()
    changes = [event["changes"] for event in [*first["events"], *rest["events"]]]
    assert changes == [{"subject": "a"}, {"owner": "o0"}, {"owner": "o1"}, {"owner": "o2"}]
