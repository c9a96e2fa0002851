"""The official MCP client uses the appliance: over the socket and over standard input."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

OPERATIONS = {
    *("create_session", "list_sessions", "show_session", "append_to_session", "read_session"),
    *("write_memory", "append_memory", "read_memory", "search_memory", "related_memory"),
    *("create_task", "update_task", "list_tasks", "get_task"),
    *("get_identity_hash", "load_genome", "load_zooids", "load_operons"),
}
TOOLS = {"read", "write", "edit", "bash"}
VERSIONS = ("auto", "legacy", "2026-07-28")


def text(result: Any) -> str:
    return "".join(part.text for part in result.content)


async def asked(client: Client, tool: str, /, **arguments: Any) -> Any:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text(result)
    return result.structured_content


async def through_everything(client: Client) -> None:
    """One use of each group, as an agent would."""
    names = {tool.name for tool in (await client.list_tools()).tools}
    assert names >= OPERATIONS | TOOLS
    session = await asked(client, "create_session", name="from afar")
    await asked(client, "append_to_session", session=session["id"], text="Hello.")
    read = await asked(client, "read_session", session=session["id"])
    assert read["entries"][-1]["data"]["message"]["content"] == "Hello."
    await through_branches(client, session["id"])
    await asked(client, "write_memory", content="The kettle is heliotrope.")
    found = await asked(client, "search_memory", query="heliotrope")
    assert "heliotrope" in found["hits"][0]["snippet"]
    task = await asked(client, "create_task", subject="Boil water")
    await asked(client, "update_task", task=task["id"], status="completed")
    ended = await asked(client, "list_tasks", status=["completed"])
    assert task["id"] in [found["id"] for found in ended["tasks"]]
    loaded = await asked(client, "load_operons", text="Split this work among three agents")
    assert [operon["name"] for operon in loaded["operons"]] == ["orchestration"]


async def through_branches(client: Client, session: str) -> None:
    """What is tried on a branch comes back, and is handed over."""
    await asked(client, "branch_session", session=session, name="try", switch=True)
    await asked(client, "append_to_session", session=session, text="It works.", role="user")
    names = [b["name"] for b in (await asked(client, "list_branches", session=session))["branches"]]
    assert names == ["main", "try"]
    found = await asked(client, "diff_branches", session=session, old="main", new="try")
    assert len(found["only_to"]) > 0
    merged = await asked(client, "merge_branch", session=session, source="try", target="main")
    assert merged["changed"]
    await asked(client, "switch_branch", session=session, branch="main")
    context = await asked(client, "session_context", session=session, budget=1000)
    assert "It works." in json.dumps(context["messages"])
    done = await asked(client, "hand_off_session", session=session, note="Ship it.")
    went_on = await asked(client, "resume_session", session=session)
    assert (went_on["checkpoint"], went_on["note"]) == (done["checkpoint"], "Ship it.")
    picked = await asked(client, "pick_up_handoff", checkpoint=done["checkpoint"], on="mcp")
    assert picked["restored"]["branch"] == "main"
    hits = await asked(client, "search_sessions", words="Ship it", session=session)
    assert hits["hits"]
    replayed = await asked(client, "replay_session", session=session, at=found["base"])
    assert list(replayed["branches"]) == ["main"]


@pytest.mark.parametrize("mode", VERSIONS)
def test_everything_over_http(over_http: Any, mode: str) -> None:
    async def use() -> None:
        async with over_http(mode=mode) as client:
            await through_everything(client)

    anyio.run(use)


@pytest.mark.parametrize("mode", VERSIONS)
def test_everything_over_stdio(over_stdio: Any, mode: str) -> None:
    async def use() -> None:
        async with over_stdio(mode=mode) as client:
            expected = "2025-11-25" if mode == "legacy" else "2026-07-28"
            assert client.protocol_version == expected
            await through_everything(client)

    anyio.run(use)


def test_files_are_written_edited_run_and_read_in_one_workspace(over_http: Any) -> None:
    async def use() -> None:
        async with over_http() as client:
            await client.call_tool("write", {"path": "a.txt", "content": "one\ntwo\n"})
            await client.call_tool("edit", {"path": "a.txt", "old": "two", "new": "three"})
            assert text(await client.call_tool("read", {"path": "a.txt"})) == "one\nthree"
            said = await client.call_tool("bash", {"command": "cat a.txt; echo oops >&2; exit 3"})
            assert not said.is_error
            assert text(said) == "one\nthree\n[stderr]\noops\n[exit code 3]"

    anyio.run(use)


def test_a_workspace_is_chosen_by_argument_or_pinned_by_the_connection(
    over_http: Any, over_stdio: Any
) -> None:
    async def use() -> None:
        async with over_http() as client:
            there = {"meso_session": "garden", "meso_branch": "try"}
            await client.call_tool("write", {"path": "x", "content": "garden", **there})
            assert (await client.call_tool("read", {"path": "x"})).is_error
        async with over_http(headers={"meso-session": "garden", "meso-branch": "try"}) as client:
            assert text(await client.call_tool("read", {"path": "x"})) == "garden"
        async with over_stdio("--session", "garden", "--branch", "try") as client:
            assert text(await client.call_tool("read", {"path": "x"})) == "garden"
            listed = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert "meso_session" not in listed["read"].input_schema["properties"]
            elsewhere = {"path": "x", "meso_session": "mcp", "meso_branch": "main"}
            assert (await client.call_tool("read", elsewhere)).is_error

    anyio.run(use)


def test_output_comes_as_progress_while_the_command_runs(over_http: Any) -> None:
    pieces: list[str] = []

    async def progress(_done: float, _total: float | None, message: str | None) -> None:
        pieces.append(message or "")

    async def use() -> None:
        async with over_http() as client:
            command = "for i in 1 2 3; do echo piece $i; sleep 1; done"
            result = await client.call_tool(
                "bash", {"command": command}, progress_callback=progress
            )
            assert text(result) == "piece 1\npiece 2\npiece 3"

    anyio.run(use)
    assert "piece 1" in "".join(pieces)
    assert len(pieces) >= 2


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_cancelled_request_ends_its_command(over_stdio: Any, appliance: Any, mode: str) -> None:
    """The client gives up; the executor's list of calls says so soon after."""

    async def use() -> None:
        async with over_stdio(mode=mode) as client:
            with anyio.move_on_after(2):
                await client.call_tool("bash", {"command": "sleep 60"})
            with anyio.fail_after(20), appliance["tool-executor"].client as http:
                while True:
                    calls = http.get("/v1/calls").json()["calls"]
                    # Newest first.
                    if calls and calls[0]["state"] == "cancelled":
                        return
                    await anyio.sleep(0.1)

    anyio.run(use)


def test_errors_say_what_is_wrong_with_a_stable_code(over_http: Any) -> None:
    async def use() -> None:
        async with over_http() as client:
            missing = await client.call_tool("show_session", {"session": "nobody"})
            assert missing.is_error
            assert text(missing).startswith("session.not_found: ")
            assert missing.meta["org.meso/error"]["code"] == "session.not_found"
            wrong = await client.call_tool("create_task", {"subject": "", "colour": "blue"})
            assert wrong.is_error
            assert text(wrong).startswith("request.invalid: ")
            for ask in (
                lambda: client.call_tool("no_such_tool", {}),
                lambda: client.read_resource("meso://zooids/nobody"),
                lambda: client.get_prompt("nobody"),
            ):
                with pytest.raises(MCPError):
                    await ask()

    anyio.run(use)


def test_resources_and_prompts_hold_the_identity(over_http: Any) -> None:
    async def use() -> None:
        async with over_http() as client:
            uris = {str(resource.uri) for resource in (await client.list_resources()).resources}
            assert {"meso://identity", "meso://zooids/00-operator", "meso://operons/math"} <= uris
            identity = await asked(client, "get_identity_hash")
            (whole,) = (await client.read_resource("meso://identity")).contents
            assert f"sha256:{identity['hash']}" in whole.text
            assert "# Standing orders" in whole.text
            prompt = await client.get_prompt("identity")
            assert prompt.messages[0].content.text == whole.text
            (zooid,) = (await client.read_resource("meso://zooids/00-operator")).contents
            assert zooid.text in whole.text
            (tasks,) = (await client.read_resource("meso://tasks")).contents
            assert "tasks" in json.loads(tasks.text)

    anyio.run(use)


def test_groups_that_are_not_configured_are_not_there(appliance: Any, over_http: Any) -> None:
    server = appliance["mcp"]

    async def use() -> None:
        async with over_http() as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert names == {
                *("write_memory", "append_memory", "read_memory"),
                *("search_memory", "related_memory"),
            }
            with pytest.raises(MCPError):
                await client.call_tool("bash", {"command": "true"})

    server.configure({"groups": ["memory"]}, "test-1")
    server.reload()
    try:
        anyio.run(use)
    finally:
        server.configure({}, "test-1")
        server.reload()
