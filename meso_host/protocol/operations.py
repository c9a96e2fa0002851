"""The protocol's operations, as the seed names them, and where each is to be had."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Operation:
    """One operation. `route` is `METHOD /path` of `service`; None says that it is not there."""

    name: str
    service: str = ""
    route: str | None = None
    tool: str | None = None
    command: str | None = None
    note: str = ""


SESSION, TOOLS, MEMORY, TASKS, IDENTITY = (
    "Session management",
    "Tool execution",
    "Memory",
    "Tasks",
    "Identity",
)
_S, _M, _T, _I = "session-manager", "memory-manager", "tool-executor", "operon-loader"
_CALL = "POST /v1/tools/call"
_IN = "/v1/sessions/{session}"
GROUPS: dict[str, tuple[Operation, ...]] = {
    SESSION: (
        Operation("create(config)", _S, "POST /v1/sessions", "create_session", "session create"),
        Operation("list()", _S, "GET /v1/sessions", "list_sessions", "session list"),
        Operation("show(id)", _S, "GET /v1/sessions/{session}", "show_session", "session show"),
        Operation(
            "append(id, entry)",
            _S,
            "POST /v1/sessions/{session}/entries",
            "append_to_session",
            "session append",
        ),
        Operation(
            "read(id)", _S, "GET /v1/sessions/{session}/entries", "read_session", "session show"
        ),
        Operation(
            "branch(session, name)", _S, f"POST {_IN}/branches", "branch_session", "session branch"
        ),
        Operation(
            "branches(session)", _S, f"GET {_IN}/branches", "list_branches", "session branches"
        ),
        Operation(
            "switch(session, name)", _S, f"POST {_IN}/switch", "switch_branch", "session switch"
        ),
        Operation(
            "merge(source, target)", _S, f"POST {_IN}/merge", "merge_branch", "session merge"
        ),
        Operation(
            "compact(session, strategy)",
            _S,
            f"POST {_IN}/compact",
            "compact_session",
            "session compact",
        ),
        Operation(
            "context(session)", _S, f"GET {_IN}/context", "session_context", "session context"
        ),
        Operation(
            "checkpoint(session, label)",
            _S,
            "POST /v1/checkpoints",
            "create_checkpoint",
            "checkpoint create",
        ),
        Operation(
            "checkpoints()", _S, "GET /v1/checkpoints", "list_checkpoints", "checkpoint list"
        ),
        Operation(
            "restore(checkpoint)",
            _S,
            "POST /v1/checkpoints/{checkpoint}/restore",
            "restore_checkpoint",
            "checkpoint restore",
        ),
        Operation("resume(session)", _S, f"POST {_IN}/resume", "resume_session", "session resume"),
        Operation(
            "handoff(session, note)",
            _S,
            f"POST {_IN}/handoff",
            "hand_off_session",
            "session handoff",
        ),
        Operation(
            "pickup(checkpoint)",
            _S,
            "POST /v1/checkpoints/{checkpoint}/pickup",
            "pick_up_handoff",
            "session pickup",
        ),
        Operation("send(session)", _S, f"POST {_IN}/send", command="session push"),
        Operation(
            "receive(file)", _S, "POST /v1/transfers/{transfer}/receive", command="session pull"
        ),
        Operation("heads()", _S, "GET /v1/heads", command="session heads"),
        Operation("fork(session, place)", _S, f"POST {_IN}/fork", "fork_session", "session fork"),
        Operation(
            "cherry_pick(entries)",
            _S,
            f"POST {_IN}/cherry-pick",
            "cherry_pick",
            "session cherry-pick",
        ),
        Operation("rebase(branch, onto)", _S, f"POST {_IN}/rebase", command="session rebase"),
        Operation("stash(branch, place)", _S, f"POST {_IN}/stash", command="session stash"),
        Operation("diff(from, to)", _S, f"GET {_IN}/diff", "diff_branches", "session diff"),
        Operation(
            "replay(entry or time)", _S, f"GET {_IN}/replay", "replay_session", "session replay"
        ),
        Operation("family(session)", _S, f"GET {_IN}/family", "session_family", "session family"),
        Operation("search(words)", _S, "GET /v1/search", "search_sessions", "session search"),
        Operation("usage()", _S, "GET /v1/usage", command="session usage"),
        Operation("state(session)", _S, f"GET {_IN}/state", command="session state"),
        Operation("delete(session)", _S, f"DELETE {_IN}", command="session delete"),
    ),
    TOOLS: (
        Operation("read(path)", _T, _CALL, "read", "tool read"),
        Operation("write(path, content)", _T, _CALL, "write", "tool call"),
        Operation("edit(path, old, new)", _T, _CALL, "edit", "tool call"),
        Operation("bash(command)", _T, _CALL, "bash", "tool bash"),
        Operation("custom_tool(name, params)", _T, _CALL, "its own name", "tool call"),
    ),
    MEMORY: (
        Operation("read_memory(id)", _M, "GET /v1/memories/{id}", "read_memory", "memory show"),
        Operation("read_memory(path)", _M, "GET /v1/files", "read_memory", "memory show"),
        Operation("write_memory(content)", _M, "POST /v1/memories", "write_memory", "memory write"),
        Operation(
            "write_memory(path, content)", _M, "PUT /v1/files", "write_memory", "memory write"
        ),
        Operation(
            "append_memory(path, content)",
            _M,
            "POST /v1/files/append",
            "append_memory",
            "memory write",
        ),
        Operation("search_memory(query)", _M, "GET /v1/search", "search_memory", "memory search"),
        Operation(
            "related(memory or text)", _M, "POST /v1/related", "related_memory", "memory related"
        ),
        Operation("forget(id)", _M, "POST /v1/memories/{id}/forget", command="memory forget"),
        Operation("unforget(id)", _M, "POST /v1/memories/{id}/unforget", command="memory unforget"),
        Operation("purge(id)", _M, "POST /v1/memories/{id}/purge", command="memory forget"),
        Operation("check(id, model)", _M, "POST /v1/memories/{id}/check", command="memory check"),
        Operation("fade(age)", _M, "POST /v1/fade", command="memory fade"),
        Operation("list_memories()", _M, "GET /v1/memories", command="memory list"),
        Operation("why(id)", _M, "GET /v1/memories/{id}/why", command="memory why"),
        Operation("history(id)", _M, "GET /v1/memories/{id}/history", command="memory history"),
        Operation(
            "revert(id, commit)", _M, "POST /v1/memories/{id}/revert", command="memory revert"
        ),
        Operation("sync(remote)", _M, "POST /v1/sync", command="memory sync"),
        Operation("themes()", _M, "GET /v1/themes", command="memory themes"),
        Operation("map()", _M, "GET /v1/map", command="memory map"),
        Operation("reindex()", _M, "POST /v1/reindex", command="memory reindex"),
    ),
    TASKS: (
        Operation("create_task(subject, desc)", _S, "POST /v1/tasks", "create_task", "task create"),
        Operation(
            "update_task(id, updates)", _S, "PATCH /v1/tasks/{task}", "update_task", "task update"
        ),
        Operation("list_tasks(filters)", _S, "GET /v1/tasks", "list_tasks", "task list"),
        Operation("get_task(id)", _S, "GET /v1/tasks/{task}", "get_task", "task show"),
    ),
    IDENTITY: (
        Operation("load_genome()", _I, "GET /v1/genome", "load_genome", "adapter export-context"),
        Operation("load_zooids()", _I, "GET /v1/zooids", "load_zooids", "adapter export-context"),
        Operation(
            "load_operons(triggers)", _I, "POST /v1/operons/match", "load_operons", "operon why"
        ),
        Operation(
            "get_identity_hash()", _I, "GET /v1/identity", "get_identity_hash", "identity show"
        ),
    ),
}
