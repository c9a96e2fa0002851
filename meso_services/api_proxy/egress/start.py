"""The door of one process: made at the start, its policy set anew by each reload."""

from __future__ import annotations

from meso_services.api_proxy.care.audit import audit_of
from meso_services.api_proxy.egress.door import EgressDoor
from meso_services.api_proxy.egress.grants import GrantBook
from meso_services.api_proxy.egress.routes import policy_of
from meso_services.api_proxy.settings import Settings
from meso_services.runtime.context import Context


def grants_of(context: Context[Settings]) -> GrantBook:
    """The process's grants."""
    return context.kept.get("egress.grants", GrantBook)


def door_of(context: Context[Settings]) -> EgressDoor:
    """The process's door, under the policy of `context`."""
    audit = audit_of(context)
    door = context.kept.get("egress.door", lambda: EgressDoor(grants_of(context), audit))
    door.policy = policy_of(context.settings.egress)
    return door
