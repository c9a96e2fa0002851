"""Changes of whole sessions: fork, name, archive, delete to an archive, and back."""

from __future__ import annotations

import gzip
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from meso_services.contract.branches import Deleted, EditSession, Fork
from meso_services.contract.session import CreateSession, Session
from meso_services.runtime import durable
from meso_services.runtime.errors import MesoError, storage_error
from meso_services.session_manager import entries
from meso_services.session_manager.file import Draft, SessionFile, digest
from meso_services.session_manager.state import State
from meso_services.session_manager.store import SessionStore
from meso_services.session_manager.tree.places import place
from meso_services.session_manager.tree.walk import Walker

ASK_AGAIN_SECONDS = 600
DELETED = "deleted"


def fork(store: SessionStore, ident: str, wanted: Fork, key: str | None) -> tuple[Session, bool]:
    """A session that begins with the way to a place: the same entries under the same ids."""
    session = store.get(ident)
    if (before := store.created_by(key)) is not None:
        return before.describe(), True
    with session.lock:
        at = place(session, session.state, wanted)
    header = store.header(
        CreateSession(cwd=session.header.get("cwd"), parent_session=session.id), key
    )
    header["meso"] = {**header.get("meso", {}), "forkedAt": at.id if at else None}
    way = list(Walker(session).back(at))[::-1]

    def lines() -> Iterator[bytes]:
        with session.path.open("rb") as source:
            for node in way:
                source.seek(node.start)
                yield _plain(source.read(node.length))

    made = store.take_in(header, lines())
    if wanted.name is not None:
        named(made, wanted.name, None)
    return made.describe(), False


def _plain(raw: bytes) -> bytes:
    """A line as the beginning of another session: what was ours to its branches is left behind."""
    line = entries.parse_entry(raw)
    if line is None or not line.own:
        return raw
    kept = {name: value for name, value in line.own.items() if name in ("copy", "merged")}
    return entries.entry_line(
        entries.Line(line.id, line.parent, line.type, line.timestamp, line.data, kept)
    )


def edit(store: SessionStore, ident: str, wanted: EditSession, key: str | None) -> Session:
    """Name a session, archive it or take it up again."""
    session = store.get(ident)
    if wanted.archived is False:
        store.archive(ident, archived=False)
    if "name" in wanted.model_fields_set:
        named(session, wanted.name or "", key)
    if wanted.archived is True:
        store.archive(ident, archived=True)
    return session.describe()


def named(session: SessionFile, name: str, key: str | None) -> None:
    """Give a session a name: Pi's own entry."""

    def plan(state: State) -> list[Draft]:
        session.check_open()
        if state.name == name:
            return []
        return [Draft("session_info", {"name": name}, state.leaf)]

    session.change(plan, key, digest("name", name))


class Deletions:
    """Deletes what is asked for twice. The file goes, compressed, to `archives/deleted/`."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._asked: dict[str, tuple[str, float]] = {}

    def delete(self, ident: str, confirm: str | None) -> Deleted:
        """Raises `session.confirm` the first time, with the token to confirm with."""
        session = self._store.get(ident)
        token, until = self._asked.get(ident, ("", 0.0))
        if not token or confirm != token or time.monotonic() > until:
            token = secrets.token_hex(8)
            self._asked = {k: v for k, v in self._asked.items() if v[1] > time.monotonic()}
            self._asked[ident] = (token, time.monotonic() + ASK_AGAIN_SECONDS)
            facts = session.describe()
            raise MesoError(
                "session.confirm",
                f"session {ident} ({facts.name or 'no name'}, {facts.entries} entries) would be "
                "deleted",
                status=409,
                hint=f"the same again with confirm={token} deletes it; `meso session delete` "
                f"takes it as --confirm {token}",
                detail={"confirm": token, "entries": facts.entries, "name": facts.name},
            )
        del self._asked[ident]
        return self._delete(session)

    def _delete(self, session: SessionFile) -> Deleted:
        place = self._store.archives / DELETED
        target = place / f"{session.path.name}.gz"
        with self._store.lock, session.lock:
            try:
                durable.make_directories(place)
                _compress(session.path, target)
                durable.remove(session.path)
                self._store.let_go(session.id)
            except OSError as problem:
                raise storage_error(problem, target) from problem
        kept = str(target.relative_to(self._store.place))
        return Deleted(session=session.id, kept_as=kept)

    def undelete(self, ident: str) -> Session:
        """Bring a deleted session back. Raises `session.not_found`."""
        place = self._store.archives / DELETED
        found = [path for path in place.glob(f"*_{ident}.jsonl.gz") if path.is_file()]
        if not found:
            raise MesoError(
                "session.not_found",
                f"there is no deleted session {ident}",
                status=404,
                hint="GET /v1/deleted lists them",
            )
        back = self._store.main / found[0].name.removesuffix(".gz")
        if back.exists():
            raise MesoError("session.exists", f"session {ident} is not deleted", status=409)
        try:
            _decompress(found[0], back)
            session = self._store.get(ident)
            durable.remove(found[0])
        except (OSError, EOFError) as problem:
            cause = problem if isinstance(problem, OSError) else OSError(5, str(problem))
            raise storage_error(cause, back) from problem
        return session.describe()

    def list(self) -> list[str]:
        """Ids of the deleted sessions, oldest first."""
        place = self._store.archives / DELETED
        names = sorted(path.name for path in place.glob("*_*.jsonl.gz"))
        return [name.removesuffix(".jsonl.gz").rpartition("_")[2] for name in names]


def _compress(source: Path, target: Path) -> None:
    _through(target, lambda out: _copy_into_gzip(source, out))


def _decompress(source: Path, target: Path) -> None:
    def fill(out: Path) -> None:
        with gzip.open(source, "rb") as read, out.open("xb") as write:
            shutil.copyfileobj(read, write, 1 << 20)

    _through(target, fill)


def _copy_into_gzip(source: Path, out: Path) -> None:
    with (
        source.open("rb") as read,
        out.open("xb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as write,
    ):
        shutil.copyfileobj(read, write, 1 << 20)


def _through(target: Path, fill: Callable[[Path], None]) -> None:
    """Fill a file beside `target`, flush it and rename it: whole or absent."""
    aside = target.parent / f"{durable.TEMPORARY_PREFIX}{secrets.token_hex(8)}"
    try:
        fill(aside)
        handle = os.open(aside, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        durable.move(aside, target)
    finally:
        aside.unlink(missing_ok=True)
