"""What others do with a message: LangGraph's SQLite checkpointer, and one git commit each."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from meso_host.bench.areas import Note
from meso_host.bench.record import Against, Record
from meso_host.setup import tree
from meso_services.runtime import process

PLACE = tree.STATE / "peers" / "langgraph"
PACKAGES = ("langgraph", "langgraph-checkpoint-sqlite")
MESSAGES = 300
# A graph that appends one message a step, as its own tutorials build a conversation; the
# checkpointer keeps every step. `synchronous=FULL` is SQLite's default: durable like ours.
PROGRAM = """
import json, sqlite3, sys, time
from typing import Annotated, TypedDict
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph

def joined(old, new):
    return old + new

class State(TypedDict):
    messages: Annotated[list, joined]

path, count, message = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
saver = SqliteSaver(sqlite3.connect(path, check_same_thread=False))
graph = StateGraph(State)
graph.add_node("answer", lambda state: {"messages": []})
graph.add_edge(START, "answer")
graph.add_edge("answer", END)
app = graph.compile(checkpointer=saver)
config = {"configurable": {"thread_id": "bench"}}
began = time.perf_counter()
for _ in range(count):
    app.invoke({"messages": [message]}, config)
print(count / (time.perf_counter() - began))
"""


def run(note: Note, root: Path, ours: float, message: dict[str, Any]) -> Iterator[Record]:
    """Ours beside each of them; nothing of one that cannot be had here."""
    root.mkdir()
    note("one git commit a message")
    beside = Against("peer", "one git commit a message", _git(root / "repository", message))
    yield Record("durable appends, beside git", ours, "a second", beside, more_is_better=True)
    try:
        note("bringing LangGraph")
        rate = _langgraph(root, message)
    except process.CommandError as problem:
        note(f"LangGraph cannot be measured: {problem}")
        return
    beside = Against("peer", "LangGraph's SQLite checkpointer", rate)
    yield Record("durable appends, beside LangGraph", ours, "a second", beside, more_is_better=True)


def _git(place: Path, message: dict[str, Any]) -> float:
    """Commits a second, each with one more line of the conversation, flushed to the disk."""
    who = ("-c", "user.name=bench", "-c", "user.email=bench@bench")
    git = ["git", "-c", "core.fsync=all", *who, "-C", str(place)]
    process.run(["git", "init", "-q", place])
    began = time.perf_counter()
    for number in range(MESSAGES):
        with (place / "session.jsonl").open("a") as file:
            file.write(json.dumps(message) + "\n")
        process.run([*git, "add", "session.jsonl"])
        process.run([*git, "commit", "-q", "-m", f"message {number}"])
    return MESSAGES / (time.perf_counter() - began)


def _langgraph(root: Path, message: dict[str, Any]) -> float:
    python = PLACE / "bin/python"
    if not (PLACE / "ready").exists():
        process.run([sys.executable, "-m", "venv", PLACE])
        process.run([PLACE / "bin/pip", "install", "-q", *PACKAGES], timeout=900)
        (PLACE / "ready").touch()
    found = process.run(
        [python, "-c", PROGRAM, root / "langgraph.sqlite", str(MESSAGES), json.dumps(message)],
        timeout=600,
    )
    return float(found.stdout)
