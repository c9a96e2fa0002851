"""The real Pi coding agent, brought by npm with a node of its own, against a local server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from subprocess import Popen

from meso_host.setup import tree
from meso_services.runtime import process

PI_VERSION = "0.87.1"
NODE_VERSION = "22"
PLACE = tree.STATE / "pi" / PI_VERSION
ENTRY = PLACE / "node_modules/@earendil-works/pi-coding-agent/dist/bundle/cli.js"
INSTALL_SECONDS = 900.0


def program() -> Sequence[Path]:
    """Node and Pi's entry, brought once and kept below .meso. Raises FileNotFoundError."""
    if not ENTRY.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise FileNotFoundError("npm is missing; `./meso setup test` brings it")
        PLACE.mkdir(parents=True, exist_ok=True)
        wanted = [f"node@{NODE_VERSION}", f"@earendil-works/pi-coding-agent@{PI_VERSION}"]
        process.run(
            [npm, "install", "--no-fund", "--no-audit", "--prefix", PLACE, *wanted],
            timeout=INSTALL_SECONDS,
        )
    return PLACE / "node_modules/.bin/node", ENTRY


def start(prompt: str, provider: dict[str, str], model: str, home: Path) -> Popen[bytes]:
    """Ask `model` once, without a terminal, in the directory `home`.

    `provider` is Pi's own description of one: `baseUrl`, `api`, `apiKey`.
    """
    agent = home / "agent"
    agent.mkdir(exist_ok=True)
    known = {"id": model, "contextWindow": 200_000, "maxTokens": 4096}
    providers = {"providers": {"loopback": provider | {"models": [known]}}}
    (agent / "models.json").write_text(json.dumps(providers), encoding="utf-8")
    named = ["--provider", "loopback", "--model", model]
    return process.start(
        [*program(), "--approve", *named, "--print", prompt],
        cwd=home,
        env=dict.fromkeys(os.environ) | _environment(home, agent),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        detach=True,
    )


def _environment(home: Path, agent: Path) -> dict[str, str | None]:
    return {
        "PATH": os.environ.get("PATH"),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PI_CODING_AGENT_DIR": str(agent),
        "PI_OFFLINE": "1",
        "PI_TELEMETRY": "0",
    }
