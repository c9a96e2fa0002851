"""The actions of `meso session` that are one call each."""

from __future__ import annotations

import argparse
import json
from typing import Any

from meso_cli.actions import text_or_input
from meso_cli.output import CliError
from meso_cli.verbs.session import views
from meso_cli.verbs.session.ask import Ask, Row

MERGES = ("interleave", "append", "extract", "summarise")
COMPACTIONS = ("keep-recent", "extract", "summarise")


def _in(a: argparse.Namespace, rest: str) -> str:
    return f"/v1/sessions/{a.session}{rest}"


def _place(a: argparse.Namespace) -> dict[str, Any]:
    return {"at": a.at, "message": a.message, "of": a.of}


def _session(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="ID")


def _at(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--at", metavar="ENTRY", help="an entry; the branch's newest if left out")
    parser.add_argument("--message", type=int, metavar="N", help="the branch's message N, from 1")
    parser.add_argument("--of", metavar="BRANCH", help="the branch; the current one if left out")


def _branch_name(parser: argparse.ArgumentParser) -> None:
    _session(parser)
    parser.add_argument("name", metavar="NAME")


def _branch(parser: argparse.ArgumentParser) -> None:
    _branch_name(parser)
    _at(parser)
    parser.add_argument("--switch", action="store_true", help="go on working there")
    parser.add_argument("--no-files", action="store_true", help="without files of its own")


def _ask_branch(a: argparse.Namespace) -> Ask:
    fields = {"name": a.name, "switch": a.switch, "workspace": not a.no_files, **_place(a)}
    return Ask("POST", _in(a, "/branches"), "branches.Moved", "branches.MakeBranch", fields,
               view=views.moved)  # fmt: skip


def _rename(parser: argparse.ArgumentParser) -> None:
    _session(parser)
    parser.add_argument("name", metavar="NAME", help="of the session, or the branch's new one")
    parser.add_argument("--branch", metavar="OLD", help="rename this branch, not the session")


def _ask_rename(a: argparse.Namespace) -> Ask:
    if a.branch is None:
        fields = {"name": a.name}
        path = _in(a, "")
        return Ask("PATCH", path, "session.Session", "branches.EditSession", fields,
                   view=views.session)  # fmt: skip
    path = _in(a, f"/branches/{a.branch}")
    fields = {"name": a.name}
    return Ask("PATCH", path, "branches.Moved", "branches.RenameBranch", fields, view=views.moved)


def _merge(parser: argparse.ArgumentParser) -> None:
    _session(parser)
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("--into", metavar="TARGET", help="the current branch if left out")
    parser.add_argument("--strategy", choices=MERGES, default="interleave")
    parser.add_argument("--no-tasks", action="store_true", help="leave the tasks alone")
    parser.add_argument("--no-files", action="store_true", help="leave the workspaces alone")
    parser.add_argument("--dry-run", action="store_true", help="say what it would do")


def _ask_merge(a: argparse.Namespace) -> Ask:
    fields = {
        "source": a.source,
        "target": a.into,
        "strategy": a.strategy,
        "tasks": not a.no_tasks,
        "workspace": not a.no_files,
        "dry_run": a.dry_run,
    }
    return Ask("POST", _in(a, "/merge"), "branches.Merged", "branches.Merge", fields,
               view=views.merged)  # fmt: skip


def _pick(parser: argparse.ArgumentParser) -> None:
    _session(parser)
    parser.add_argument("entries", metavar="ENTRY", nargs="+")
    parser.add_argument("--onto", metavar="BRANCH", help="the current branch if left out")


def _rebase(parser: argparse.ArgumentParser) -> None:
    _session(parser)
    parser.add_argument("onto", metavar="ONTO")
    parser.add_argument("--branch", metavar="BRANCH", help="the current one if left out")


def _stash(parser: argparse.ArgumentParser) -> None:
    _session(parser)
    _at(parser)
    parser.add_argument("--note", default="", metavar="TEXT")


def _pop(parser: argparse.ArgumentParser) -> None:
    _session(parser)
    parser.add_argument("stash", metavar="STASH", nargs="?", help="the newest if left out")
    parser.add_argument("--drop", action="store_true", help="only take it off the list")


def _diff(parser: argparse.ArgumentParser) -> None:
    _session(parser)
    parser.add_argument("old", metavar="FROM", help="a branch or an entry")
    parser.add_argument("new", metavar="TO")


def _log(parser: argparse.ArgumentParser) -> None:
    _session(parser)
    parser.add_argument("--branch", metavar="BRANCH")
    parser.add_argument("--before", metavar="ENTRY", help="go on from there")
    parser.add_argument("--limit", type=int, default=50, metavar="N")


def _replay(parser: argparse.ArgumentParser) -> None:
    _session(parser)
    parser.add_argument("--at", metavar="ENTRY", help="when this was the newest entry")
    parser.add_argument("--time", metavar="TIME", help="at this time, ISO 8601 in UTC")


def _context(parser: argparse.ArgumentParser) -> None:
    _session(parser)
    parser.add_argument("--branch", metavar="BRANCH")
    parser.add_argument("--budget", type=int, default=100_000, metavar="TOKENS")


def _compact(parser: argparse.ArgumentParser) -> None:
    _session(parser)
    parser.add_argument("--branch", metavar="BRANCH")
    parser.add_argument("--strategy", choices=COMPACTIONS, default="extract")
    parser.add_argument("--keep", type=int, default=20_000, metavar="TOKENS")
    parser.add_argument("--over", type=int, metavar="TOKENS", help="only when larger; twice keep")
    parser.add_argument("--instructions", default="", metavar="TEXT", help="for the summariser")
    parser.add_argument("--force", action="store_true", help="although it is small")


def _ask_compact(a: argparse.Namespace) -> Ask:
    names = ("branch", "strategy", "keep", "over", "instructions", "force")
    fields = {name: getattr(a, name) for name in names}
    return Ask("POST", _in(a, "/compact"), "context.Compacted", "context.Compact", fields,
               view=views.compacted)  # fmt: skip


def _search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", metavar="WORD", nargs="+")
    parser.add_argument("--session", metavar="ID", help="only in this one")
    parser.add_argument("--limit", type=int, default=20, metavar="N")


def _usage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("session", metavar="ID", nargs="?", help="all sessions if left out")


def _ask_usage(a: argparse.Namespace) -> Ask:
    path = _in(a, "/usage") if a.session else "/v1/usage"
    return Ask("GET", path, "context.UsageReply", view=views.usage)


def _label(parser: argparse.ArgumentParser) -> None:
    _session(parser)
    parser.add_argument("entry", metavar="ENTRY")
    parser.add_argument("label", metavar="LABEL", nargs="?", help="left out: take it away")


def _ask_label(a: argparse.Namespace) -> Ask:
    fields = {"target": a.entry, "label": a.label}
    return Ask("POST", _in(a, "/labels"), "session.Entry", "branches.LabelEntry", fields,
               nulls=True)  # fmt: skip


def _annotate(parser: argparse.ArgumentParser) -> None:
    _session(parser)
    parser.add_argument("entry", metavar="ENTRY")
    parser.add_argument("text", metavar="TEXT", help="- reads standard input")


def _state(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("get", "set", "unset", "list"))
    _session(parser)
    parser.add_argument("name", metavar="NAME", nargs="?")
    parser.add_argument("value", metavar="VALUE", nargs="?", help="JSON, or else a text")


def _ask_state(a: argparse.Namespace) -> Ask:
    path = _in(a, "/state")
    if a.what in ("get", "list"):
        return Ask("GET", path, "branches.Variables", view=_one_variable(a.name))
    if a.name is None or (a.what == "set" and a.value is None):
        raise CliError("cli.missing", "state set takes NAME and VALUE, state unset takes NAME.",
                       status=2)  # fmt: skip
    fields: dict[str, Any] = {"unset": [a.name]}
    if a.what == "set":
        fields = {"set": {a.name: _value(a.value)}}
    return Ask("PATCH", path, "branches.Variables", "branches.SetVariables", fields,
               view=views.variables)  # fmt: skip


def _one_variable(name: str | None) -> Any:
    def view(reply: Any) -> str:
        if name is None:
            return views.variables(reply)
        if name not in reply["variables"]:
            raise CliError("state.not_found", f"the session has no variable `{name}`.")
        return json.dumps(reply["variables"][name], ensure_ascii=False)

    return view


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _fork(parser: argparse.ArgumentParser) -> None:
    _session(parser)
    _at(parser)
    parser.add_argument("--name", metavar="NAME")


def _reset(parser: argparse.ArgumentParser) -> None:
    _branch_name(parser)
    _at(parser)


def _edit(archived: bool) -> Any:
    def ask(a: argparse.Namespace) -> Ask:
        fields = {"archived": archived}
        return Ask("PATCH", _in(a, ""), "session.Session", "branches.EditSession", fields,
                   view=views.session)  # fmt: skip

    return ask


def _delete(parser: argparse.ArgumentParser) -> None:
    _session(parser)
    parser.add_argument("--confirm", metavar="TOKEN", help="the token that the first call gives")


ROWS = (
    Row("branches", "list the branches", _session,
        lambda a: Ask("GET", _in(a, "/branches"), "branches.Branches", view=views.branches)),
    Row("branch", "begin a branch, at any entry or message", _branch,
        _ask_branch),
    Row("switch", "work on another branch", _branch_name,
        lambda a: Ask("POST", _in(a, "/switch"), "branches.Moved", "branches.Switch",
                      {"branch": a.name}, view=views.moved)),
    Row("rename", "name a session, or a branch", _rename, _ask_rename),
    Row("drop", "delete a branch's name; its entries stay", _branch_name,
        lambda a: Ask("DELETE", _in(a, f"/branches/{a.name}"), "branches.Moved",
                      view=views.moved)),
    Row("reset", "let a branch go on at another place", _reset,
        lambda a: Ask("POST", _in(a, f"/branches/{a.name}/reset"), "branches.Moved",
                      "branches.Reset", _place(a), view=views.moved)),
    Row("merge", "bring what is new on a branch to another", _merge, _ask_merge),
    Row("cherry-pick", "repeat single entries on a branch", _pick,
        lambda a: Ask("POST", _in(a, "/cherry-pick"), "branches.Picked", "branches.Pick",
                      {"entries": a.entries, "branch": a.onto}, view=views.picked)),
    Row("rebase", "repeat what a branch has alone after another", _rebase,
        lambda a: Ask("POST", _in(a, "/rebase"), "branches.Picked", "branches.Rebase",
                      {"onto": a.onto, "branch": a.branch}, view=views.picked)),
    Row("stash", "set aside what a branch has since a place", _stash,
        lambda a: Ask("POST", _in(a, "/stash"), "branches.Stashed", "branches.PushStash",
                      {"at": a.at, "message": a.message, "branch": a.of, "note": a.note})),
    Row("stashes", "list what was set aside", _session,
        lambda a: Ask("GET", _in(a, "/stash"), "branches.Stash", view=views.stash)),
    Row("pop", "bring back what was set aside", _pop,
        lambda a: Ask("POST", _in(a, "/stash/pop"), "branches.Picked", "branches.PopStash",
                      {"id": a.stash, "drop": a.drop}, view=views.picked)),
    Row("diff", "what each of two branches has alone", _diff,
        lambda a: Ask("GET", _in(a, "/diff"), "branches.Difference",
                      query={"from": a.old, "to": a.new}, view=views.difference)),
    Row("log", "a branch's entries, newest first", _log,
        lambda a: Ask("GET", _in(a, "/log"), "branches.LogPage",
                      query={"branch": a.branch, "before": a.before, "limit": a.limit},
                      view=views.log)),
    Row("replay", "the session as it was at an entry or a time", _replay,
        lambda a: Ask("GET", _in(a, "/replay"), "branches.Replayed",
                      query={"at": a.at, "time": a.time}, view=views.replayed)),
    Row("family", "the sessions it came from, and those that came from it", _session,
        lambda a: Ask("GET", _in(a, "/family"), "branches.Family", view=views.family)),
    Row("fork", "a new session that begins with a part of this one", _fork,
        lambda a: Ask("POST", _in(a, "/fork"), "session.Session", "branches.Fork",
                      {"name": a.name, **_place(a)}, view=views.session)),
    Row("context", "what a model would be sent", _context,
        lambda a: Ask("GET", _in(a, "/context"), "context.Context",
                      query={"branch": a.branch, "budget": a.budget}, view=views.context)),
    Row("compact", "put a summary in place of the older part", _compact, _ask_compact),
    Row("search", "find entries by their words", _search,
        lambda a: Ask("GET", "/v1/search", "context.SessionHits",
                      query={"q": " ".join(a.words), "session": a.session, "limit": a.limit},
                      view=views.hits)),
    Row("usage", "tokens and cost, by branch and model", _usage, _ask_usage),
    Row("label", "label an entry", _label, _ask_label),
    Row("annotate", "keep a remark on an entry", _annotate,
        lambda a: Ask("POST", _in(a, "/notes"), "session.Entry", "branches.AddNote",
                      {"target": a.entry, "text": text_or_input(a.text)})),
    Row("marks", "labels and remarks", _session,
        lambda a: Ask("GET", _in(a, "/marks"), "branches.Marks")),
    Row("state", "the session's variables", _state, _ask_state),
    Row("archive", "put a session away; it can still be read", _session, _edit(True)),
    Row("unarchive", "take it up again", _session, _edit(False)),
    Row("delete", "delete a session (asks once; it can be brought back)", _delete,
        lambda a: Ask("DELETE", _in(a, ""), "branches.Deleted", query={"confirm": a.confirm})),
    Row("undelete", "bring a deleted session back", _session,
        lambda a: Ask("POST", _in(a, "/undelete"), "session.Session", "snapshots.Nothing",
                      view=views.session)),
    Row("deleted", "list the deleted sessions", lambda _: None,
        lambda _: Ask("GET", "/v1/deleted", "branches.DeletedSessions")),
)  # fmt: skip
