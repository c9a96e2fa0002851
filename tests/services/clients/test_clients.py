"""The identity and the appliance's tools in the real Claude Code and in the real Pi.

What is asserted is what these programs sent to their model: the texts in the request, the names
of the tools, the results that came back from the appliance. Nothing they write is kept.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from meso_cli.adapters.base import Source
from meso_cli.adapters.claude_tasks import mapped, read_list
from meso_cli.adapters.install import install, manifest_path
from meso_cli.adapters.rows import find
from meso_cli.adapters.tree import Tree
from meso_host.testing.model import calls, serve, turns
from meso_services.mcp.server import build_server
from meso_services.mcp.stdio import configured
from meso_services.prompt.who import from_genome
from meso_services.runtime.paths import Paths

pytestmark = pytest.mark.timeout(300)
WHO = from_genome(Path(__file__).parents[3] / "genome")
ORCHESTRATION = next(o.text for o in WHO.operons if o.name == "orchestration")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    place = tmp_path / "project"
    place.mkdir()
    return place


def installed(project: Path, name: str, login: tuple[str, ...]) -> None:
    tree = Tree(project)
    install(tree, find(name), Source(WHO, "the appliance", login))
    tree.write(first=manifest_path(name))


def sent(model: Any) -> str:
    """Everything that the client told its model, as one text."""
    return "\n".join(json.dumps(request, ensure_ascii=False) for request in model.requests)


def first_line(text: str) -> str:
    """A line of a text that is long enough to be no accident."""
    return next(line for line in text.splitlines() if len(line) > 60).replace('"', '\\"')


def is_told_who_it_is(model: Any) -> None:
    said = sent(model)
    assert f"MESO identity sha256:{WHO.hash}" in said
    for text in (WHO.standing_orders, *(zooid.text for zooid in WHO.zooids)):
        assert first_line(text) in said


def test_claude_code_is_the_same_agent_and_uses_the_appliance(
    claude: Any, project: Path, login: tuple[str, ...]
) -> None:
    installed(project, "claude-code", login)
    script = turns(
        [calls("mcp__meso__write", path="a.txt", content="from afar\n")],
        [calls("mcp__meso__bash", command="cat a.txt; pwd")],
        [calls("mcp__meso__create_task", subject="Water the garden")],
        [calls("mcp__meso__show_session", session="nobody")],
    )
    with serve(script) as model:
        allowed = ["--mcp-config", ".mcp.json", "--allowedTools", "mcp__meso"]
        done = claude(project, model.url, *allowed)
        assert done.returncode == 0, done.stdout + done.stderr
        is_told_who_it_is(model)
        results = model.results()
    assert results[1] == "from afar\n/workspace"
    assert json.loads(results[2])["subject"] == "Water the garden"
    assert "session.not_found" in results[3]
    assert first_line(ORCHESTRATION) in sent(model), "the hook loads the operon by its trigger"


def test_pi_is_the_same_agent_and_uses_the_appliance(
    pi: Any, project: Path, login: tuple[str, ...]
) -> None:
    installed(project, "pi", login)
    script = turns(
        [calls("meso_write", path="b.txt", content="from pi\n")],
        [calls("meso_bash", command="cat b.txt; pwd")],
        [calls("meso_show_session", session="nobody")],
    )
    with serve(script) as model:
        done = pi(project, model.url)
        assert done.returncode == 0, done.stdout + done.stderr
        is_told_who_it_is(model)
        results = model.results()
    assert results[1] == "from pi\n/workspace"
    assert "session.not_found" in results[2]
    assert first_line(ORCHESTRATION) in sent(model), "the extension loads the operon"


def test_claude_codes_tasks_become_mesos_and_come_back(
    appliance: Any, claude: Any, project: Path, tmp_path: Path
) -> None:
    script = turns(
        [calls("TaskCreate", subject="Dig", description="Both beds", metadata={"a": 1})],
        [calls("TaskCreate", subject="Plant", description="x", activeForm="Planting")],
        [calls("TaskUpdate", taskId="2", addBlockedBy=["1"], owner="ariel")],
        [calls("TaskUpdate", taskId="1", status="completed")],
    )
    again = turns([calls("TaskList")])
    garden = {"CLAUDE_CODE_TASK_LIST_ID": "garden"}
    with serve(script) as model:
        done = claude(project, model.url, **garden)
        assert done.returncode == 0, done.stdout + done.stderr
    place = tmp_path / "config/tasks/garden"
    written = read_list(place)
    assert [task["subject"] for task in written.values()] == ["Dig", "Plant"]
    offer = configured(Paths(appliance["operon-loader"].root), None, None)

    async def there_and_back() -> None:
        async with Client(build_server(offer)) as client:
            report = await mapped("pull", place, client, dry_run=False)
            assert report.created == ["1", "2"]
            assert (await mapped("pull", place, client, dry_run=False)).changed == []
            page = await client.call_tool("list_tasks", {"label": "claude-code/garden"})
            dig, plant = page.structured_content["tasks"]
            assert (dig["status"], plant["blocked_by"], plant["ready"]) == (
                "completed",
                [dig["id"]],
                True,
            )
            await mapped("push", place, client, dry_run=False)
            assert {n: read_list(place)[n] for n in written} == written
            changes = {"task": plant["id"], "status": "in_progress"}
            await client.call_tool("update_task", changes)
            await mapped("push", place, client, dry_run=False)

    anyio.run(there_and_back)
    with serve(again) as model:
        claude(project, model.url, **garden)
        assert "#2 [in_progress] Plant (ariel)" in model.results()[-1]
