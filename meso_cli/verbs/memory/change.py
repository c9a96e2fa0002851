"""What changes memories."""

from __future__ import annotations

import sys
from typing import assert_never

from meso_cli.actions import text_or_input
from meso_cli.output import CliError, Output
from meso_cli.verbs.memory import requests as ask
from meso_services.contract import memory as wire
from meso_services.contract.client import Connection

Request = ask.Write | ask.Forget | ask.Fade | ask.Revert | ask.Sync


def run(memory: Connection, request: Request, output: Output) -> None:
    """Do it, and print what came of it."""
    match request:
        case ask.Write():
            reply = _write(memory, request)
            output.result(reply.model_dump(mode="json"), written(reply))
        case ask.Forget(purge=True):
            _purge(memory, request, output)
        case ask.Forget(name, reason):
            by = wire.By(source="operator", reason=reason)
            path = f"/v1/memories/{name}/forget"
            gone = memory.post(path, by, wire.Memory, once=True)
            output.result(gone.model_dump(mode="json"), f"{gone.id} is hidden; it is {gone.path}")
        case ask.Fade():
            wish = wire.Fade(age_seconds=request.age, below=request.below,
                             dry_run=request.dry_run, source="operator")  # fmt: skip
            faded = memory.post("/v1/fade", wish, wire.FadeReply, once=True)
            output.result(faded.model_dump(mode="json"), _faded(faded))
        case ask.Revert(name, commit):
            wanted = wire.Revert(commit=commit, source="operator")
            path = f"/v1/memories/{name}/revert"
            back = memory.post(path, wanted, wire.Memory, once=True)
            output.result(back.model_dump(mode="json"), back.content)
        case ask.Sync(remote, dry_run):
            synced = memory.post("/v1/sync", wire.Sync(remote=remote, dry_run=dry_run),
                                 wire.SyncReply, once=True)  # fmt: skip
            output.result(synced.model_dump(mode="json"), _synced(synced))
        case _:
            assert_never(request)


def _write(memory: Connection, request: ask.Write) -> wire.WriteReply:
    given = {"content": text_or_input(request.text), "source": request.source}
    if request.path is None:
        if request.append:
            raise CliError("cli.no_path", "--append needs --path.", hint="Name the file with it.")
        more = {"tags": request.tags}
        wanted = wire.WriteRequest(**{k: v for k, v in {**given, **more}.items() if v})
        # The same text twice is one memory, so it may be sent again.
        return memory.post("/v1/memories", wanted, wire.WriteReply)
    path = request.path.removeprefix("/meso/memory/")
    given = {k: v for k, v in {**given, "path": path}.items() if v}
    if request.append:
        wish = wire.FileAppend.model_validate(given)
        return memory.post("/v1/files/append", wish, wire.WriteReply, once=True)
    tags = {"tags": request.tags} if request.tags else {}
    return memory.put("/v1/files", wire.FileWrite.model_validate({**given, **tags}),
                      wire.WriteReply)  # fmt: skip


def written(reply: wire.WriteReply) -> str:
    """What became of a write, for people."""
    lines = [reply.memory.id + ("" if reply.created else "   (was there already)")]
    if reply.masked:
        lines.append("  what looks like a secret was masked")
    if reply.recalled:
        lines.append(f"  left out what is in memory already: {', '.join(reply.recalled)}")
    lines += [f"  contradicts {one.id}: {one.why}" for one in reply.contradicts]
    return "\n".join(lines)


def _purge(memory: Connection, request: ask.Forget, output: Output) -> None:
    life = memory.get(f"/v1/memories/{request.memory}/why", wire.Why)
    if not request.yes:
        if not sys.stdin.isatty():
            raise CliError("cli.not_confirmed", "a purge cannot be undone.",
                           hint="Say --yes if that is what you want.")  # fmt: skip
        print(f"{life.id} ({life.path}), {life.state}: remove it for good? [y/N] ", end="",
              file=sys.stderr, flush=True)  # fmt: skip
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise CliError("cli.not_confirmed", "nothing was purged.")
    by = wire.By(source="operator", reason=request.reason)
    path = f"/v1/memories/{request.memory}/purge"
    receipt = memory.post(path, by, wire.Receipt, once=True)
    text = (
        f"{receipt.id} is gone: {', '.join(receipt.files) or 'no file was left'}; "
        f"{len(receipt.hashes)} versions, {receipt.commits_rewritten} commits rewritten, "
        f"{receipt.kept_copies} copies\n  checkpoints: {receipt.checkpoints}\n"
        f"  backups: {receipt.backups}\n  not covered: {receipt.not_covered}"
    )
    output.result(receipt.model_dump(mode="json"), text)


def unforget(memory: Connection, name: str, output: Output) -> None:
    """Bring a memory back."""
    by = wire.By(source="operator")
    back = memory.post(f"/v1/memories/{name}/unforget", by, wire.Memory, once=True)
    output.result(back.model_dump(mode="json"), f"{back.id} is in use again; it is {back.path}")


def check(memory: Connection, name: str, model: str, output: Output) -> None:
    """Ask a model."""
    wanted = wire.Check(model=model)
    told = memory.post(f"/v1/memories/{name}/check", wanted, wire.Checked, once=True)
    rows = [f"{one.id}: {one.why}" for one in told.contradicts]
    rows.append(f"{len(told.compared)} memories compared, {len(told.contradicts)} contradict it")
    output.result(told.model_dump(mode="json"), "\n".join(rows))


def reindex(memory: Connection, output: Output) -> None:
    """Build the indexes anew."""
    done = memory.post("/v1/reindex", wire.By(), wire.Reindexed, once=True)
    output.result(done.model_dump(mode="json"),
                  f"{done.memories} memories in {done.seconds:.1f} s")  # fmt: skip


def _faded(reply: wire.FadeReply) -> str:
    verb = "would be archived" if reply.dry_run else "archived"
    rows = [f"{one.id}  strength {one.strength:.3f}  {one.title}" for one in reply.faded]
    return "\n".join([*rows, f"{len(rows)} {verb}; {reply.kept} old ones are strong still"])


def _synced(reply: wire.SyncReply) -> str:
    verb = "would be" if reply.dry_run else "were"
    text = (
        f"{reply.taken} memories {verb} taken, {reply.given} given, {reply.removed} {verb} removed"
    )
    if reply.conflicts:
        text += f"\nboth texts kept of: {', '.join(reply.conflicts)}"
    return text + (f"\n{reply.note}" if reply.note else "")
