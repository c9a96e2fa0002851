"""The real `claude` client, from the package `claude-agent-sdk`, against a local server.

It is somebody else's program and writes transcripts: they go into a directory that is thrown
away, and nothing of them is kept.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from subprocess import Popen

from meso_services.runtime import process


def program() -> Path:
    """The client. Raises FileNotFoundError where the package does not bring it."""
    import claude_agent_sdk  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    found = Path(str(claude_agent_sdk.__file__)).parent / "_bundled/claude"
    if not found.is_file():
        raise FileNotFoundError(f"{found}: claude-agent-sdk brings no client for this machine")
    return found


def start(prompt: str, base_url: str, key: str, home: Path, *more: str) -> Popen[bytes]:
    """Ask once, without a terminal; its result is one JSON object (or what `more` says)."""
    words: Sequence[str] = more or ("--output-format", "json")
    return process.start(
        [program(), "-p", prompt, "--dangerously-skip-permissions", *words],
        cwd=home,
        env=dict.fromkeys(os.environ) | _environment(base_url, key, home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        detach=True,
    )


def _environment(base_url: str, key: str, home: Path) -> dict[str, str | None]:
    return {
        "PATH": os.environ.get("PATH"),
        "HOME": str(home),
        "CLAUDE_CONFIG_DIR": str(home / "claude"),
        "ANTHROPIC_BASE_URL": base_url,
        "ANTHROPIC_API_KEY": key,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        # It refuses to skip its questions as root outside of a sandbox; the home is a fresh one.
        "IS_SANDBOX": "1",
    }
