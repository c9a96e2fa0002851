"""Take a session out of the archive, unless what was to be done with it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from meso_services.session_manager.file import SessionFile
from meso_services.session_manager.store import SessionStore


@contextmanager
def opened(store: SessionStore, session: SessionFile, *, dry_run: bool) -> Iterator[bool]:
    """Gives whether it was archived. In a dry run it stays so."""
    archived = session.archived
    if archived and not dry_run:
        store.archive(session.id, archived=False)
    try:
        yield archived
    except BaseException:
        if archived and not dry_run:
            store.archive(session.id, archived=True)
        raise
