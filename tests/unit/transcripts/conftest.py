"""Transcripts in and out, through a store on the disk, without the service around it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from meso_services.contract.exchange import Exported, ExportSession, Imported, ImportSession
from meso_services.session_manager import exchange
from meso_services.session_manager.file import SessionFile
from meso_services.session_manager.store import SessionStore
from meso_services.session_manager.transfers import Transfers


@dataclass
class Desk:
    """A store, and what is brought to it and fetched from it."""

    store: SessionStore
    transfers: Transfers
    place: Path

    def bring(self, content: bytes, **wanted: Any) -> Imported:
        """Import."""
        path = self.place / secrets.token_hex(8)
        path.write_bytes(content)
        try:
            return exchange.bring(self.store, path, ImportSession(**wanted))
        finally:
            path.unlink()

    def session(self, made: Imported) -> SessionFile:
        """What was made of it."""
        assert made.session is not None
        return self.store.get(made.session.id)

    def fetch(self, made: Imported | str, **wanted: Any) -> tuple[bytes, Exported]:
        """Export."""
        ident = made if isinstance(made, str) else self.session(made).id
        told = exchange.export(self.store, self.transfers, ident, ExportSession(**wanted))
        path = self.transfers.path(told.transfer.transfer)
        content = path.read_bytes()
        path.unlink()
        return content, told

    def forget(self, made: Imported) -> None:
        """Remove the session, so that its id is free."""
        session = self.session(made)
        # The index is kept up in the background, which would find the file gone.
        with self.store.lock:
            session.path.unlink()
            self.store.let_go(session.id)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """An empty desk."""
    store = SessionStore(tmp_path / "sessions", tmp_path / "workspaces")
    yield Desk(store, Transfers(tmp_path / "transfers"), tmp_path)
    store.close()


@pytest.fixture(scope="module")
def shared_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk for properties, which are tried many times."""
    place = tmp_path_factory.mktemp("desk")
    store = SessionStore(place / "sessions", place / "workspaces")
    yield Desk(store, Transfers(place / "transfers"), place)
    store.close()


Make = Callable[..., bytes]
