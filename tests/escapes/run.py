"""Makes the attempts of `attempts.toml` through the tool executor, and says how each ended.

`python3 run.py attempts.toml SESSION [DIRECTORY OF SOCKETS]` prints one JSON document. The same
code runs beside a service on this machine and, sent over ssh, on an appliance.
"""

from __future__ import annotations

import json
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from meso_services.contract import tools as wire
from meso_services.contract.client import Connection
from meso_services.contract.tools_client import ToolExecutor

AT_ONCE = 6
SECONDS = 40


def attempts(path: Path) -> list[dict[str, Any]]:
    """All attempts, in the file's order."""
    found: list[dict[str, Any]] = tomllib.loads(path.read_text())["attempt"]
    return found


def make_all(path: Path, session: str, sockets: Path) -> list[dict[str, Any]]:
    """Make every attempt, several at once, each in a workspace of its own."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        wanted = list(enumerate(attempts(path)))
        return list(pool.map(lambda each: _make(each[1], session, f"a{each[0]}", sockets), wanted))


def _make(attempt: dict[str, Any], session: str, branch: str, sockets: Path) -> dict[str, Any]:
    with Connection("tool-executor", sockets, timeout=120) as connection:
        executor = ToolExecutor(connection)
        executor.workspace(session, branch)
        calls = [_reply(executor, session, branch, each) for each in _calls(attempt)]
        records = [
            record.model_dump(mode="json")
            for call in calls
            for record in executor.audit(call=call["id"]).records
        ]
        return {"attempt": attempt, "calls": calls, "records": records}


def _calls(attempt: dict[str, Any]) -> list[dict[str, Any]]:
    first = attempt.get("call") or {"tool": "bash", "params": {"command": _command(attempt)}}
    more = [attempt["then"]] if "then" in attempt else []
    if "later" in attempt:
        more.append({"tool": "bash", "params": {"command": attempt["later"]}})
    return [{"seconds": SECONDS, **each} for each in (first, *more)]


def _command(attempt: dict[str, Any]) -> str:
    if "bash" in attempt:
        command: str = attempt["bash"]
        return command
    return f"exec python3 - <<'PROGRAM'\n{attempt['python']}\nPROGRAM\n"


def _reply(
    executor: ToolExecutor, session: str, branch: str, call: dict[str, Any]
) -> dict[str, Any]:
    wanted = wire.CallRequest(session=session, branch=branch, **call)
    return executor.call(wanted).model_dump(mode="json")


def failures(made: list[dict[str, Any]], *, cgroups: bool) -> list[str]:
    """What went wrong with the attempts: each that escaped, or that the audit does not show."""
    return [f"{one['attempt']['name']}: {why}" for one in made for why in _wrong(one, cgroups)]


def _wrong(one: dict[str, Any], cgroups: bool) -> list[str]:
    attempt, wrong = one["attempt"], []
    if attempt.get("cgroup") and not cgroups:
        return []  # what holds it back is not there
    for call in one["calls"]:
        result = call["result"] or (call["error"] or {}).get("detail", {})
        if "ESCAPED" in str(result.get("stdout", "")):
            wrong.append(f"escaped: {result['stdout'][:300]!r}")
        kinds = [r["kind"] for r in one["records"] if r["call_id"] == call["id"]]
        if kinds[:1] != ["call"] or kinds[-1:] != ["result"]:
            wrong.append(f"the audit has only {kinds}")
    met = attempt.get("met")
    if met and met not in _met(one["records"]):
        wrong.append(f"the audit does not show {met!r}: {_met(one['records'])}")
    summaries = [r["data"].get("summary", "") for r in one["records"]]
    if attempt.get("raw_audit") and any(set(text) & {"\x1b", "\n"} for text in summaries):
        wrong.append("the audit holds what a terminal would obey")
    return wrong


def _met(records: list[dict[str, Any]]) -> set[str]:
    violations = {r["data"]["code"] for r in records if r["kind"] == "violation"}
    decisions = {
        r["data"].get("decision", {}).get("verdict") for r in records if r["kind"] == "call"
    }
    return violations | {each for each in decisions if each}


if __name__ == "__main__":
    where = Path(sys.argv[3]) if len(sys.argv) > 3 else Path("/run/meso")
    json.dump(make_all(Path(sys.argv[1]), sys.argv[2], where), sys.stdout)
