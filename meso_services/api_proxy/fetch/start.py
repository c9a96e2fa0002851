"""The fetch tool of one process: made at the start, its rules set anew by each reload."""

from __future__ import annotations

from meso_services.api_proxy.care.audit import audit_of
from meso_services.api_proxy.egress.hosts import parse_rule
from meso_services.api_proxy.egress.routes import policy_of
from meso_services.api_proxy.fetch.desk import Desk, Rules
from meso_services.api_proxy.fetch.page import Bounds, Getter
from meso_services.api_proxy.settings import Settings
from meso_services.runtime.context import Context


def desk_of(context: Context[Settings]) -> Desk:
    """The process's fetch tool, under the settings of `context`."""
    settings = context.settings.fetch
    getter = Getter(
        tuple(parse_rule(text) for text in settings.allow),
        policy_of(context.settings.egress).dialer,
        Bounds(settings.max_bytes, settings.seconds, settings.redirects),
    )
    rules = Rules(
        getter,
        settings.per_minute,
        settings.at_once,
        float(settings.cache_seconds),
        settings.cache_size,
    )
    audit = audit_of(context)
    desk = context.kept.get("fetch", lambda: Desk(rules, audit))
    desk.rules = rules
    return desk
