"""The session manager's application: stores that live as long as the process, and the routes."""

from __future__ import annotations

from fastapi import FastAPI

from meso_services.runtime.app import application
from meso_services.runtime.context import Context
from meso_services.runtime.service import Service
from meso_services.session_manager.checkpoints.make import Neighbours
from meso_services.session_manager.checkpoints.restore import recover
from meso_services.session_manager.checkpoints.routes import add_checkpoints
from meso_services.session_manager.checkpoints.shelf import Shelf
from meso_services.session_manager.handing.routes import add_handing
from meso_services.session_manager.health import checks
from meso_services.session_manager.merging import Merger
from meso_services.session_manager.model.summarise import Summariser
from meso_services.session_manager.neighbours.identity import Identities
from meso_services.session_manager.neighbours.memory import Memories
from meso_services.session_manager.neighbours.workspaces import Workspaces
from meso_services.session_manager.routes.branches import add_branches
from meso_services.session_manager.routes.exchange import add_exchange
from meso_services.session_manager.routes.model import add_model
from meso_services.session_manager.routes.sessions import add_sessions
from meso_services.session_manager.settings import Settings
from meso_services.session_manager.store import SessionStore
from meso_services.session_manager.sync.routes import add_sync
from meso_services.session_manager.tasks.routes import add_tasks
from meso_services.session_manager.tasks.store import TaskStore
from meso_services.session_manager.transfers import Transfers
from meso_services.session_manager.whole import Deletions


def build(context: Context[Settings]) -> FastAPI:
    """The application, on the store that lives as long as the process."""
    paths, kept, settings = context.paths, context.kept, context.settings
    store = kept.get(
        "store", lambda: SessionStore(paths.sessions, paths.workspaces), SessionStore.close
    )
    tasks = kept.get("tasks", lambda: TaskStore(store.place / "tasks", store.torn, 1))
    tasks.most = settings.max_tasks
    deletions = kept.get("deletions", lambda: Deletions(store))
    workspaces = Workspaces(paths.run)
    shelf = kept.get("shelf", lambda: Shelf(paths.checkpoints))
    transfers = kept.get("transfers", lambda: Transfers(paths.checkpoints / ".transfers"))
    around = Neighbours(store, tasks, shelf, Identities(paths.run), Memories(paths.run), workspaces)
    kept.get("recovered", lambda: recover(around))
    summariser = Summariser(paths.socket("api-proxy"), settings.summary_model)
    app = application(context, title="MESO session manager", checks=checks(store, tasks))
    add_sessions(app, store, deletions)
    add_branches(app, store, Merger(tasks, summariser, workspaces), workspaces, shelf)
    add_model(app, store, summariser)
    add_tasks(app, tasks)
    add_checkpoints(app, around, transfers, settings.keep_checkpoints)
    add_sync(app, store, deletions, transfers)
    add_handing(app, around, settings.keep_checkpoints)
    add_exchange(app, store, transfers)
    return app


SERVICE = Service("session-manager", Settings, build)
