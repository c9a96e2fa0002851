"""What an MCP client may read: the genome, zooids, operons, sessions, tasks, the prompt."""

from __future__ import annotations

import json
import re

import mcp_types as types

from meso_services.contract.client import SessionManager
from meso_services.contract.session import EntryPage
from meso_services.contract.tasks import TaskPage
from meso_services.mcp.backend import Backend
from meso_services.prompt import compose
from meso_services.prompt.who import Who, from_appliance

TEXT, JSON = "text/markdown", "application/json"
MOST_SESSIONS = 100
_SESSION = re.compile(r"meso://sessions/([A-Za-z0-9][A-Za-z0-9_-]{0,63})")
TEMPLATES = (
    types.ResourceTemplate(
        name="session",
        uri_template="meso://sessions/{id}",
        description="The newest page of a session's entries",
        mime_type=JSON,
    ),
)


def who(backend: Backend) -> Who:
    """The appliance's identity with its texts."""
    with backend.service("operon-loader") as connection:
        return from_appliance(connection)


def listed(backend: Backend) -> list[types.Resource]:
    """All resources that can be named now."""
    identity = who(backend)
    found = [
        _resource("meso://identity", "identity", "The whole prompt: who this agent is"),
        _resource("meso://genome/STANDING-ORDERS.md", "standing orders", "The genome's core"),
        _resource("meso://tasks", "tasks", "The tasks that have not ended", JSON),
    ]
    for kind, parts in (("zooids", identity.zooids), ("operons", identity.operons)):
        found += [_resource(f"meso://{kind}/{p.name}", p.name, p.description) for p in parts]
    with backend.service("session-manager") as connection:
        for number, session in enumerate(SessionManager(connection).sessions()):
            if number == MOST_SESSIONS:
                break
            title = session.name or session.id
            found.append(_resource(f"meso://sessions/{session.id}", title, "A session", JSON))
    return found


def _resource(uri: str, name: str, description: str, kind: str = TEXT) -> types.Resource:
    return types.Resource(uri=uri, name=name, description=description, mime_type=kind)


def read(backend: Backend, uri: str) -> types.TextResourceContents | None:
    """The resource's content, or None if there is none of that name."""
    if uri == "meso://tasks":
        return _tasks(backend)
    if match := _SESSION.fullmatch(uri):
        return _session(backend, match[1])
    text = _texts(who(backend)).get(uri)
    return None if text is None else _content(uri, text, TEXT)


def _texts(identity: Who) -> dict[str, str]:
    texts = {
        "meso://identity": compose.prompt(identity),
        "meso://genome/STANDING-ORDERS.md": identity.standing_orders,
    }
    for kind, parts in (("zooids", identity.zooids), ("operons", identity.operons)):
        texts |= {f"meso://{kind}/{part.name}": part.text for part in parts}
    return texts


def _tasks(backend: Backend) -> types.TextResourceContents:
    with backend.service("session-manager") as connection:
        status = ["pending", "in_progress", "blocked"]
        page = connection.get("/v1/tasks", TaskPage, status=status, limit=1000)
    return _content("meso://tasks", json.dumps(page.model_dump(mode="json")), JSON)


def _session(backend: Backend, ident: str) -> types.TextResourceContents:
    with backend.service("session-manager") as connection:
        path = f"/v1/sessions/{ident}/entries"
        page = connection.get(path, EntryPage, limit=1000)
    return _content(f"meso://sessions/{ident}", json.dumps(page.model_dump(mode="json")), JSON)


def _content(uri: str, text: str, kind: str) -> types.TextResourceContents:
    return types.TextResourceContents(uri=uri, text=text, mime_type=kind)
