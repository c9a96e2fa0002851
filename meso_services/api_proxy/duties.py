"""What the proxy does beside passing requests on: it opens doors, keeps books, fetches."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI

from meso_services.api_proxy.care import start as care_start
from meso_services.api_proxy.care.audit import audit_of
from meso_services.api_proxy.egress import routes as egress
from meso_services.api_proxy.egress.start import door_of, grants_of
from meso_services.api_proxy.fetch import routes as fetch
from meso_services.api_proxy.fetch.start import desk_of
from meso_services.api_proxy.metrics import audit as audit_lines
from meso_services.api_proxy.metrics import routes as metrics
from meso_services.api_proxy.secrets import routes as secrets
from meso_services.api_proxy.secrets import start as secrets_start
from meso_services.api_proxy.settings import Settings
from meso_services.runtime.context import Context
from meso_services.runtime.doors import Door
from meso_services.runtime.health import Check


def add_duties(app: FastAPI, context: Context[Settings]) -> None:
    """Add the routes, and set what lives as long as the process to these settings."""
    audit = audit_of(context)
    door_of(context)
    secrets.add_routes(app, secrets_start.secrets_of(context), audit, context.paths)
    house = care_start.house_of(context)
    metrics.add_routes(app, house)
    audit_lines.add_routes(app, audit)
    fetch.add_routes(app, desk_of(context), house)
    egress.add_routes(app, context.settings.egress, grants_of(context))


def own_checks(context: Context[Settings]) -> Sequence[Check]:
    """Secrets and records."""
    return (secrets_start.check(context), care_start.check(context))


def doors(context: Context[Settings]) -> Sequence[Door]:
    """The sockets beside the service's own."""
    return (door_of(context),)
