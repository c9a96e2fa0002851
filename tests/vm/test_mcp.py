"""The official MCP client uses a booted appliance, as an agent elsewhere would: over ssh.

The machine is shared: sessions and memories of these tests have names of their own.
"""

from __future__ import annotations

import json
from typing import Any

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from meso_host.vm.lab import LabMachine


def text(result: Any) -> str:
    return "".join(part.text for part in result.content)


def test_an_agent_elsewhere_uses_the_appliance_over_ssh(machine: LabMachine) -> None:
    """`ssh HOST meso mcp`: tools, memory, tasks and identity; the policy and audit see it."""
    command, *arguments = [*machine.guest.ssh_command("operator"), "meso", "mcp"]
    program = StdioServerParameters(command=command, args=arguments)

    async def use() -> None:
        async with Client(stdio_client(program), mode="legacy") as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert {"read", "bash", "write_memory", "create_task", "load_operons"} <= names
            await client.call_tool("write", {"path": "note.txt", "content": "from afar\n"})
            assert text(await client.call_tool("read", {"path": "note.txt"})) == "from afar"
            said = await client.call_tool("bash", {"command": "cat note.txt; id -un; ls /meso"})
            assert text(said).startswith("from afar")
            assert "memory" not in text(said)
            memory = {"content": "The isabelline lantern hangs in the shed."}
            await client.call_tool("write_memory", memory)
            found = await client.call_tool("search_memory", {"query": "isabelline"})
            assert "isabelline" in found.structured_content["hits"][0]["snippet"]
            task = await client.call_tool("create_task", {"subject": "Light the lantern"})
            ident = task.structured_content["id"]
            done = await client.call_tool("update_task", {"task": ident, "status": "completed"})
            assert done.structured_content["status"] == "completed"
            identity = (await client.call_tool("get_identity_hash", {})).structured_content
            manifest = json.loads(machine.run("cat /run/meso/current/manifest.json").stdout)
            assert identity["hash"] == manifest["identity"]["hash"]

    anyio.run(use)


def test_the_unit_answers_on_its_socket_and_is_closed_in(machine: LabMachine) -> None:
    """Streamable HTTP on the path socket; no other socket, no network, not for strangers."""
    ask = (
        "import json, httpx; t = httpx.HTTPTransport(uds='/run/meso/mcp.sock');"
        "c = httpx.Client(transport=t, timeout=120);"
        "print(json.dumps(c.get('http://meso/healthz?deep=1').json()))"
    )
    report = json.loads(machine.run(f'python3 -I -c "{ask}"', user="operator", check=True).stdout)
    assert report["state"] == "ok", report["checks"]
    facts = machine.run("stat -c '%U %G %a' /run/meso/mcp.sock").stdout.strip()
    assert facts == "root meso 660"
    pid = machine.run("systemctl show -p MainPID --value meso-mcp.service").stdout.strip()
    owner = machine.run(f"stat -c %U /proc/{pid}").stdout.strip()
    assert owner == "meso-mcp"
    links = machine.run(f"nsenter -t {pid} -n ss -Hlntu", check=True).stdout
    assert links == ""
    stranger = machine.run(
        "setpriv --reuid=nobody --regid=nogroup --clear-groups python3 -I -c "
        "\"import socket; socket.socket(socket.AF_UNIX).connect('/run/meso/mcp.sock')\""
    )
    assert "PermissionError" in stranger.stderr
