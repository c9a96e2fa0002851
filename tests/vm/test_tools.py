"""Tools on the machine: what runs, what is refused, and that every attempt to get out is recorded.

The machine is shared; these tests add workspaces of their own and change nothing else.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any

from meso_host.vm.lab import LabMachine

ESCAPES = Path(__file__).resolve().parents[1] / "escapes"


def meso(machine: LabMachine, *words: str) -> Any:
    command = shlex.join(["meso", *words, "--json"])
    return json.loads(machine.run(command, user="operator", check=True).stdout)


def put(machine: LabMachine, path: Path) -> str:
    """Copy a file of ours to the machine; its path there."""
    there = f"/tmp/{path.name}"
    packed = base64.b64encode(path.read_bytes()).decode()
    machine.run(f"echo {packed} | base64 -d > {there} && chmod 644 {there}", check=True)
    return there


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("escapes_run", ESCAPES / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_attempt_to_get_out_is_refused_and_recorded(machine: LabMachine) -> None:
    escapes = load()
    program, data = put(machine, ESCAPES / "run.py"), put(machine, ESCAPES / "attempts.toml")
    session = f"escapes-{machine.run('cat /proc/sys/kernel/random/uuid').stdout[:8]}"
    command = f"python3 -I {program} {data} {session}"
    # Eighty calls, each in a sandbox of its own.
    made = json.loads(machine.run(command, user="operator", timeout=900, check=True).stdout)
    assert len(made) >= 40
    assert "\n".join(escapes.failures(made, cgroups=True)) == ""
    assert meso(machine, "audit", "verify")["ok"]
    assert machine.run("ls /sys/fs/cgroup/meso.slice/meso-tool-executor.service").status == 0


def test_a_command_runs_and_the_operator_is_asked(machine: LabMachine) -> None:
    session = meso(machine, "session", "create", "--name", "tools")["id"]
    meso(machine, "tool", "workspace", session)
    line = "git init -q . && git status --short | wc -l; id -u"
    said = machine.run(f"meso tool bash {session} '{line}'", user="operator")
    assert (said.status, said.stdout.split()) == (0, ["0", "1000"])
    denied = machine.run(f"meso tool bash {session} 'rm -rf .git'", user="operator")
    assert denied.status == 1
    assert "Denied (destructive)" in denied.stderr
    asked = machine.run(
        f"meso tool bash {session} --background '$NOBODY_KNOWS x' > /dev/null; sleep 1; "
        'id=$(meso approve --json | sed -n \'s/.*"id": "\\(.*\\)",/\\1/p\' | head -1); '
        'meso approve deny "$id" --reason "not now"; sleep 1; '
        f"meso tool calls {session} | head -2",
        user="operator",
    )
    assert "denied" in asked.stdout and "refused" in asked.stdout


def test_only_operators_answer_and_read_the_audit(machine: LabMachine) -> None:
    client = (
        "import httpx; t = httpx.HTTPTransport(uds='/run/meso/tool-executor.sock');"
        "c = httpx.Client(transport=t, base_url='http://meso');"
        "print(c.get('/v1/approvals').status_code, c.get('/v1/audit').status_code,"
        " c.post('/v1/approvals/x', json={'decision': 'allow'}).status_code)"
    )
    tried = machine.run(
        "setpriv --reuid=meso-mind-runner --regid=meso-mind-runner --groups=meso "
        f"python3 -I -c {shlex.quote(client)}"
    )
    assert tried.stdout.split() == ["403", "403", "403"]


SERVER = """
from mcp.server.mcpserver import MCPServer
server = MCPServer("echo")
@server.tool(description="Say it again.")
def again(text: str) -> str:
    return text
server.run("stdio")
"""


def test_an_external_mcp_server_starts_with_what_a_sandbox_shows_of_the_image(
    machine: LabMachine, tmp_path: Path
) -> None:
    """The client, the official package and the server, from the parts of /usr that a call sees."""
    (tmp_path / "server.py").write_text(SERVER)
    server = put(machine, tmp_path / "server.py")
    job = {"command": ["/usr/bin/python3", "-I", server], "url": None, "tool": None}
    job |= {"pinned": None, "arguments": {}, "most": 1000, "most_answer": 100_000}
    shown = ("/usr/bin", "/usr/lib", "/usr/lib64", "/usr/local/lib", server)
    binds = " ".join(f"--ro-bind-try {path} {path}" for path in shown)
    said = machine.run(
        f"printf %s {shlex.quote(json.dumps(job))} | bwrap --unshare-all --clearenv "
        f"--symlink usr/lib /lib --symlink usr/lib64 /lib64 {binds} --proc /proc --dev /dev "
        "/usr/bin/python3 -I -m meso_services.mcp_client.inside",
        user="operator",
        check=True,
    )
    assert [tool["name"] for tool in json.loads(said.stdout)["tools"]] == ["again"]


def test_the_console_answers_nothing_unless_the_policy_trusts_it(machine: LabMachine) -> None:
    """As the console's own unit runs: its group is known, and does not suffice."""
    unit = "systemctl show -P SupplementaryGroups meso-console"
    assert "meso-screen" in machine.run(unit, check=True).stdout.split()
    asked = machine.run(
        "systemd-run --quiet --wait --collect --pipe -p DynamicUser=yes "
        "-p 'SupplementaryGroups=meso meso-screen' meso approve --json"
    )
    assert asked.status != 0
    assert "peer.not_operator" in asked.stdout + asked.stderr
