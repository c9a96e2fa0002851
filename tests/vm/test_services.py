"""Each service does its own thing end to end, asked by the operator on the machine.

The machine is shared: these tests add sessions, memories and minds under names of their own and
change nothing that was there.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from meso_host.vm.lab import LabMachine

SESSION_YAML = """\
iteration: 0
config:
  k_samples: 5
  active_pool_size: 50
  message_buffer_per_source: 10
  model: anthropic/claude-haiku-4.5
  token_limit: 4000
  embedding_model: openai/text-embedding-3-small
  embedding_dim: 1536
  min_cluster_size: 3
  centroid_match_threshold: 0.3
"""


def meso(machine: LabMachine, *words: str) -> Any:
    """What `meso WORDS --json` prints, as the operator."""
    command = shlex.join(["meso", *words, "--json"])
    return json.loads(machine.run(command, user="operator", check=True).stdout)


def refusal(machine: LabMachine, *words: str) -> str:
    """What a command that must fail says."""
    result = machine.run(shlex.join(["meso", *words]), user="operator")
    assert result.status != 0
    return result.stderr


@pytest.fixture(scope="module")
def known_workspaces() -> dict[str, str]:
    """Machine → the workspace that these tests share on it."""
    return {}


@pytest.fixture
def workspace(machine: LabMachine, known_workspaces: dict[str, str]) -> str:
    """A session with a workspace, for all of these tests; its id."""
    boot = machine.run("cat /proc/sys/kernel/random/boot_id", check=True).stdout
    if boot not in known_workspaces:
        session: str = meso(machine, "session", "create", "--name", "tools")["id"]
        meso(machine, "tool", "workspace", session)
        known_workspaces[boot] = session
    return known_workspaces[boot]


def test_a_session_is_created_and_appended_to(machine: LabMachine) -> None:
    session = meso(machine, "session", "create", "--name", "first steps")["id"]
    meso(machine, "session", "append", session, "Is anybody there?")
    lines = machine.run(f"cat /meso/sessions/main/*{session}*.jsonl", check=True).stdout
    first, *entries = [json.loads(line) for line in lines.splitlines()]
    assert (first["type"], first["version"], first["id"]) == ("session", 3, session)
    assert "Is anybody there?" in json.dumps(entries[-1])


def test_a_memory_is_written_found_and_edited_by_hand(machine: LabMachine) -> None:
    text = "The heliotrope kettle stands in the left cupboard."
    written = meso(machine, "memory", "write", text, "--tag", "kitchen")["memory"]
    file = shlex.quote(f"/meso/memory/{written['path']}")
    assert text in machine.run(f"cat {file}", check=True).stdout
    # By meaning others may be found too.
    hit = meso(machine, "memory", "search", "heliotrope")["hits"][0]
    assert (hit["id"], hit["matched"]) == (written["id"], ["heliotrope"])
    machine.run(f"sed -i s/heliotrope/vermilion/ {file} && sleep 2", check=True)
    # The editor's new file belongs to root; the service must still be able to read it.
    machine.run(f"chown --reference=/meso/memory {file}", check=True)
    others = meso(machine, "memory", "search", "heliotrope")["hits"]
    assert [hit["id"] for hit in others if hit["matched"]] == []
    best = meso(machine, "memory", "search", "vermilion")["hits"][0]
    assert (best["id"], best["matched"]) == (written["id"], ["vermilion"])


def test_a_file_is_read_in_the_sandbox(machine: LabMachine, workspace: str) -> None:
    place = f"/meso/workspaces/{workspace}/main"
    machine.run(f"printf 'one\\ntwo\\n' > {place}/notes.txt && chmod 644 {place}/notes.txt")
    assert meso(machine, "tool", "read", workspace, "notes.txt")["lines"] == ["one", "two"]


@pytest.mark.parametrize(
    ("prepare", "path", "said"),
    [
        ("true", "/etc/shadow", "outside of /workspace"),
        ("ln -s /meso/memory m", "m/x.md", "outside of /workspace"),
        ("ln -s ../../../sessions s", "s/main", "out of the workspace"),
        ("mkfifo p", "p", "is a named pipe"),
        ("mknod z c 1 5", "z", "is a character device"),
    ],
)
def test_the_sandbox_shows_nothing_else(
    machine: LabMachine, workspace: str, prepare: str, path: str, said: str
) -> None:
    machine.run(f"cd /meso/workspaces/{workspace}/main && {prepare}", check=True)
    assert said in refusal(machine, "tool", "read", workspace, path)


def test_a_command_leaves_no_control_group_behind(machine: LabMachine, workspace: str) -> None:
    """What stays for a while is the groups of the residents that answer file tools."""
    place = "/sys/fs/cgroup/meso.slice/meso-tool-executor.service"
    refusal(machine, "tool", "read", workspace, "missing")
    machine.run(f"meso tool bash {workspace} true", user="operator", check=True)
    groups = machine.run(f"ls -d {place}/*/", check=True).stdout.split()
    kinds = {Path(group).name.split("-")[0] for group in groups}
    assert kinds == {"service", "files"}


def test_the_identity_is_the_one_that_the_manifest_names(machine: LabMachine) -> None:
    shown = meso(machine, "identity", "show")
    manifest = json.loads(machine.run("cat /run/meso/current/manifest.json").stdout)
    assert shown["hash"] == manifest["identity"]["hash"]
    assert shown["operon_versions"] == {"orchestration": "v2", "knowledge": "v1", "math": "v1"}


def test_an_operon_loads_and_says_why(machine: LabMachine) -> None:
    found = meso(machine, "operon", "why", "Split this work among three agents")
    (operon,) = found["loaded"]
    assert operon["name"] == "orchestration"
    assert "split this work among" in json.dumps(operon["reasons"]).lower()


def test_the_proxy_says_that_it_has_no_upstream(machine: LabMachine) -> None:
    client = (
        "import httpx; t = httpx.HTTPTransport(uds='/run/meso/api-proxy.sock');"
        "r = httpx.Client(transport=t).post('http://meso/v1/messages', json={'model': 'x'});"
        "print(r.status_code, r.text)"
    )
    command = f"python3 -I -c {shlex.quote(client)}"
    said = machine.run(command, user="operator", check=True).stdout
    assert said.startswith("503 ")
    assert "services.api_proxy.upstreams" in said


def test_a_mind_is_initialised_to_the_letter(machine: LabMachine) -> None:
    meso(machine, "mind", "--service", "init", "ariel", "Watch the garden.")
    assert machine.run("cat /meso/minds/ariel/session.yaml").stdout == SESSION_YAML
    found = meso(machine, "mind", "--service", "--session", "ariel", "status")
    assert (found["iteration"], found["message_pool"]["by_source"]) == (0, {"user": 1})
    audit = machine.run("cat /meso/minds/ariel/interventions.jsonl").stdout
    assert [json.loads(line)["type"] for line in audit.splitlines()] == ["init", "message"]
