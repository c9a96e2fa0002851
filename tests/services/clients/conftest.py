"""Real agents' programs against a scripted model on loopback, with the appliance's services."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import claude_agent_sdk
import pytest

from meso_host.testing import pi as pi_client

REPOSITORY = Path(__file__).parents[3]
SECONDS = 150
PROMPT = "Split this work among three agents"
BEHIND = ("session-manager", "memory-manager", "tool-executor", "operon-loader")
# `meso mcp` and `meso adapter hook` of an appliance whose root is the first argument.
SERVE = """
import sys; from pathlib import Path; from meso_services.mcp import stdio
from meso_services.runtime.paths import Paths
stdio.serve(stdio.configured(Paths(Path(sys.argv[1])), None, None))
"""
HOOK = """
import json, sys; from pathlib import Path; from meso_cli.adapters.hook import claude_code
from meso_services.contract.client import Connection
loader = Connection('operon-loader', Path(sys.argv[1]) / 'run/meso')
print(json.dumps(claude_code(sys.stdin.read(), loader) or {}))
"""
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def appliance(shared_service: Any) -> Any:
    """The services, serving the starter genome; keyed by id."""
    running = {name: shared_service(name, start=False) for name in BEHIND}
    root = running["operon-loader"].root
    place = root / "nix/store/test-1"
    shutil.copytree(REPOSITORY / "genome", place / "genome")
    for part in ("zooids", "operons"):
        (place / "genome" / part).rename(place / part)
    (place / "config").mkdir()
    for name in (*BEHIND, "mcp"):
        (place / "config" / f"{name}.json").write_text("{}")
    (root / "run/meso").mkdir(parents=True)
    (root / "run/meso/current").symlink_to(place)
    for one in running.values():
        one.launch()
    for one in running.values():
        one.wait_ready()
    return running


@pytest.fixture
def login(appliance: Any, tmp_path: Path) -> tuple[str, ...]:
    """A program in ssh's place: `LOGIN meso mcp` is the appliance's MCP server."""
    script = tmp_path / "login"
    root = appliance["operon-loader"].root
    script.write_text(
        f"#!/bin/sh\nexport PYTHONPATH={REPOSITORY}\n"
        f'case "$*" in\n"meso mcp") exec {sys.executable} -c "{SERVE}" {root};;\n'
        f'"meso adapter hook claude-code") exec {sys.executable} -c "{HOOK}" {root};;\n'
        "esac\nexit 9\n"
    )
    script.chmod(0o755)
    return (str(script),)


def surroundings(home: Path, **more: str) -> dict[str, str]:
    """The environment of a client: nothing of this computer's user."""
    home.mkdir(exist_ok=True)
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **more}


@pytest.fixture
def claude(tmp_path: Path) -> Run:
    """Run the real `claude` in a directory, once, without a person."""
    binary = Path(claude_agent_sdk.__file__).parent / "_bundled/claude"
    if not binary.exists():
        pytest.skip("this wheel of claude-agent-sdk carries no binary")

    def run(project: Path, url: str, *words: str, prompt: str = PROMPT, **more: str) -> Any:
        own = {
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_API_KEY": "dummy",
            "CLAUDE_CONFIG_DIR": str(tmp_path / "config"),
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_ENABLE_TODO_TOOLS": "1",
            "IS_SANDBOX": "1",
        }
        return subprocess.run(
            [str(binary), "-p", prompt, *words],
            cwd=project,
            env=surroundings(tmp_path / "home", **own, **more),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def pi_program() -> tuple[str, str]:
    """npm's node and the real Pi, brought once and kept below .meso."""
    node, entry = pi_client.program()
    return str(node), str(entry)


@pytest.fixture
def pi(tmp_path: Path, pi_program: tuple[str, str]) -> Run:
    """Run the real Pi in a directory, once, without a person."""

    def run(project: Path, url: str, *words: str) -> Any:
        agent = tmp_path / "agent"
        agent.mkdir()
        model = {"id": "scripted", "contextWindow": 200_000, "maxTokens": 4096}
        provider = {
            "baseUrl": url,
            "api": "anthropic-messages",
            "apiKey": "dummy",
            "models": [model],
        }
        (agent / "models.json").write_text(json.dumps({"providers": {"loopback": provider}}))
        own = {"PI_CODING_AGENT_DIR": str(agent), "PI_OFFLINE": "1", "PI_TELEMETRY": "0"}
        command = [*pi_program, "--approve", "--provider", "loopback", "--model", "scripted"]
        return subprocess.run(
            [*command, "--print", "Split this work among three agents", *words],
            cwd=project,
            env=surroundings(tmp_path / "home", **own),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    return run
