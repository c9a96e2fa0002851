"""Claude Code's tasks and MESO's, mapped both ways over MCP.

Claude Code keeps a list as a directory of `N.json`, each with id, subject, description,
activeForm, status, owner, blocks, blockedBy and metadata. A MESO task that belongs to a list
has the label `claude-code/LIST` and, in its metadata, its number there.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from meso_cli import remote
from meso_cli.output import CliError
from meso_services.mcp.server import build_server
from meso_services.mcp.stdio import configured
from meso_services.runtime import durable
from meso_services.runtime.paths import Paths

KEY = "claude_code"
OURS = frozenset({"id", "subject", "description", "status", "owner", "blockedBy", "metadata"})
TO_CLAUDE = {"blocked": "pending"}
ENDED = frozenset({"completed", "cancelled"})
MOST_BYTES = 1 << 20


@dataclass
class Report:
    """What was mapped. `lost` says what the other side cannot hold."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return dict(vars(self))

    def text(self) -> str:
        """For people."""
        counts = f"{len(self.created)} new, {len(self.changed)} changed, {len(self.removed)} ended"
        return "\n".join([counts, *(f"! {line}" for line in self.lost)])


def run(direction: str, directory: Path, host: str | None, *, dry_run: bool) -> Report:
    """Map the list in `directory`; `pull` makes MESO's tasks like it, `push` the reverse."""
    return anyio.run(_run, direction, directory, host, dry_run)


async def _run(direction: str, directory: Path, host: str | None, dry_run: bool) -> Report:
    async with _client(host) as client:
        return await mapped(direction, directory, client, dry_run=dry_run)


async def mapped(direction: str, directory: Path, client: Client, *, dry_run: bool) -> Report:
    """The same with a client of the appliance's MCP server."""
    mapping = Mapping(directory, client, dry_run)
    return await (mapping.pull() if direction == "pull" else mapping.push())


@asynccontextmanager
async def _client(host: str | None) -> AsyncIterator[Client]:
    if host is None:
        server: Any = build_server(configured(Paths(), None, None))
    else:
        command, *arguments = [*remote.login(host), "meso", "mcp"]
        server = stdio_client(StdioServerParameters(command=command, args=arguments))
    async with Client(server) as client:
        yield client


class Mapping:
    """One list on both sides."""

    def __init__(self, directory: Path, client: Client, dry_run: bool) -> None:
        self._directory = directory
        self._client = client
        self._dry_run = dry_run
        self._label = f"claude-code/{re.sub(r'[^A-Za-z0-9._-]', '-', directory.resolve().name)}"
        self._label = self._label[:64]
        self._report = Report()

    async def pull(self) -> Report:
        """MESO's tasks become like the list. What is gone from the list is cancelled."""
        files = read_list(self._directory)
        known = {_number(task): task for task in await self._list(label=self._label)}
        ids = {number: task["id"] for number, task in known.items()}
        for number, file in files.items():
            if number not in known:
                ids[number] = await self._create(number, file)
        for number, file in files.items():
            await self._update(known.get(number), ids, number, file)
        for number, task in known.items():
            if number not in files and task["status"] not in ENDED:
                self._report.removed.append(number)
                await self._call("update_task", task=task["id"], status="cancelled")
        return self._report

    async def _create(self, number: str, file: dict[str, Any]) -> str:
        self._report.created.append(number)
        made = await self._call(
            "create_task",
            **_fields(number, file),
            labels=[self._label],
        )
        return str(made.get("id", ""))

    async def _update(
        self,
        task: dict[str, Any] | None,
        ids: dict[str, str],
        number: str,
        file: dict[str, Any],
    ) -> None:
        wanted = _fields(number, file) | {"status": file.get("status", "pending")}
        wanted["blocked_by"] = [ids[b] for b in file.get("blockedBy", ()) if b in ids]
        if task is not None:
            wanted = {name: value for name, value in wanted.items() if task[name] != value}
            if not wanted:
                return
            self._report.changed.append(number)
        # Claude Code lets a task begin whatever it waits for.
        await self._call("update_task", task=ids[number], force=True, **wanted)

    async def push(self) -> Report:
        """The list becomes like MESO's open tasks. One that is cancelled leaves it."""
        files = read_list(self._directory)
        ours = await self._list(label=self._label)
        seen = {task["id"] for task in ours}
        status = ["pending", "in_progress", "blocked"]
        ours += [task for task in await self._list(status=status) if task["id"] not in seen]
        numbers = await self._numbered(ours, files)
        waiting = {task["id"]: task["blocked_by"] for task in ours}
        for task in ours:
            number = numbers[task["id"]]
            blocks = [numbers[other] for other, after in waiting.items() if task["id"] in after]
            after = [numbers[b] for b in task["blocked_by"] if b in numbers]
            self._put(number, files.get(number), task, {"blocks": blocks, "blockedBy": after})
        return self._report

    async def _numbered(
        self, tasks: list[dict[str, Any]], files: dict[str, dict[str, Any]]
    ) -> dict[str, str]:
        numbers = {task["id"]: _number(task) for task in tasks if self._label in task["labels"]}
        taken = [int(n) for n in (*numbers.values(), *files) if n.isdigit()]
        following = max(taken, default=0)
        for task in tasks:
            if task["id"] in numbers:
                continue
            following += 1
            numbers[task["id"]] = str(following)
            await self._call(
                "update_task",
                task=task["id"],
                labels=[*task["labels"], self._label],
                metadata={KEY: {"id": str(following)}},
            )
        return numbers

    def _put(
        self,
        number: str,
        file: dict[str, Any] | None,
        task: dict[str, Any],
        links: dict[str, list[str]],
    ) -> None:
        path = self._directory / f"{number}.json"
        if task["status"] == "cancelled":
            if file is not None:
                self._report.removed.append(number)
                if not self._dry_run:
                    path.unlink(missing_ok=True)
            return
        if task["status"] in TO_CLAUDE:
            self._report.lost.append(f"{number}: `{task['status']}` becomes pending there")
        wanted = _file(number, task) | links
        if file == wanted:
            return
        (self._report.changed if file else self._report.created).append(number)
        if not self._dry_run:
            self._directory.mkdir(parents=True, exist_ok=True)
            durable.write(path, json.dumps(wanted, indent=2, ensure_ascii=False).encode())

    async def _list(self, **filters: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after: dict[str, Any] = {}
        while True:
            page = await self._ask("list_tasks", limit=1000, **filters, **after)
            found += page["tasks"]
            if page["next"] is None:
                return found
            after = {"after": page["next"]}

    async def _call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        return {} if self._dry_run else await self._ask(tool, **arguments)

    async def _ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = await self._client.call_tool(tool, arguments)
        if result.is_error or result.structured_content is None:
            said = "".join(getattr(part, "text", "") for part in result.content)
            raise CliError("adapter.tasks", f"{tool}: {said}")
        found: dict[str, Any] = result.structured_content
        return found


def read_list(directory: Path) -> dict[str, dict[str, Any]]:
    """The list's tasks by their number. Raises `adapter.tasks` for a file that is none."""
    found = {}
    for path in sorted(directory.glob("*.json")):
        try:
            task = json.loads(path.read_bytes()[:MOST_BYTES])
            found[str(task["id"])] = dict(task)
        except (OSError, ValueError, KeyError, TypeError) as problem:
            message = f"{path} is no task of Claude Code: {problem!r}"
            raise CliError("adapter.tasks", message) from None
    return found


def _number(task: dict[str, Any]) -> str:
    return str(task["metadata"].get(KEY, {}).get("id", ""))


def _fields(number: str, file: dict[str, Any]) -> dict[str, Any]:
    """What of a file has a place in a MESO task; the rest goes into its metadata as it is."""
    rest = {name: value for name, value in file.items() if name not in OURS | {"blocks"}}
    own = {name: value for name, value in file.get("metadata", {}).items() if name != KEY}
    return {
        "subject": " ".join(str(file.get("subject", "")).split())[:500] or "untitled",
        "description": str(file.get("description", ""))[:16_384],
        "owner": file.get("owner") or None,
        "metadata": {**own, KEY: {"id": number, **rest}},
    }


def _file(number: str, task: dict[str, Any]) -> dict[str, Any]:
    rest = {n: v for n, v in task["metadata"].get(KEY, {}).items() if n != "id"}
    found = {
        "id": number,
        "subject": task["subject"],
        "description": task["description"],
        **rest,
        "status": TO_CLAUDE.get(task["status"], task["status"]),
    }
    if task["owner"]:
        found["owner"] = task["owner"]
    if own := {name: value for name, value in task["metadata"].items() if name != KEY}:
        found["metadata"] = own
    return found
