"""What the proxy does beside passing requests on: it opens doors, keeps books, fetches."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI

from meso_services.api_proxy.care.audit import audit_of
from meso_services.api_proxy.egress import routes as egress
from meso_services.api_proxy.egress.start import door_of, grants_of
from meso_services.api_proxy.secrets import routes as secrets
from meso_services.api_proxy.secrets.start import secrets_of
from meso_services.api_proxy.settings import Settings
from meso_services.runtime.context import Context
from meso_services.runtime.doors import Door


def add_duties(app: FastAPI, context: Context[Settings]) -> None:
    """Add the routes, and set what lives as long as the process to these settings."""
    audit = audit_of(context)
    door_of(context)
    secrets.add_routes(app, secrets_of(context), audit, context.paths)
    egress.add_routes(app, context.settings.egress, grants_of(context))


def doors(context: Context[Settings]) -> Sequence[Door]:
    """The sockets beside the service's own."""
    return (door_of(context),)
