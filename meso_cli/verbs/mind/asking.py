"""Who is asked: where models and embeddings come from."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from meso_cli.command import on_appliance
from meso_cli.output import CliError
from meso_cli.verbs.mind.words import Mind as Request
from meso_services.mind import embedders
from meso_services.mind.embedders import InProcess, Service
from meso_services.mind.iteration import Around
from meso_services.mind.models import Api, Client, Endpoint
from meso_services.mind.state import Mind

SOCKETS = Path("/run/meso")


def around(mind: Mind, request: Request, debug: Any) -> Around:
    """The model and the embedder of a mind. Raises CliError where nothing says where to ask."""
    client = Client(endpoint(request), note=lambda text: print(text, file=sys.stderr))
    return Around(
        client, embedders.choose(mind.config, client, own(mind.config.embedding_model)), debug
    )


def own(model: str) -> embedders.Embedder:
    """The local model: the appliance's process, or this one. It is brought if `model` is it."""
    if model == embedders.LOCAL_MODEL:
        bring_model()
    return Service(SOCKETS) if on_appliance() else InProcess()


def embedder(mind: Mind, request: Request) -> embedders.Embedder:
    """Who embeds; the local model needs no endpoint."""
    if mind.config.embedding_model == embedders.LOCAL_MODEL:
        return own(embedders.LOCAL_MODEL)
    return around(mind, request, None).embedder


def measuring(model: str, request: Request) -> embedders.Embedder:
    """Who embeds to measure a model; the local one needs no endpoint."""
    if model == embedders.LOCAL_MODEL:
        return own(model)
    client = Client(endpoint(request), note=lambda text: print(text, file=sys.stderr))
    return embedders.measuring(model, client, InProcess())


def endpoint(request: Request) -> Endpoint:
    """Where models are asked. Raises CliError where nothing says so."""
    api: Api = "anthropic" if request.api == "anthropic" else "openai"
    given, key = request.endpoint, os.environ.get("MESO_MIND_KEY")
    if given and given.startswith("unix:"):
        return Endpoint(socket=given.removeprefix("unix:"), key=key, api=api)
    if given:
        return Endpoint(url=given, key=key, api=api)
    if (SOCKETS / "api-proxy.sock").exists():
        return Endpoint(socket=str(SOCKETS / "api-proxy.sock"), key=key, api=api)
    raise CliError(
        "mind.no_endpoint",
        "nothing says where models are asked.",
        hint="Name a server: --endpoint https://… or MESO_MIND_ENDPOINT, and its key in "
        "MESO_MIND_KEY.",
    )


def bring_model() -> None:
    """On the operator's computer the local model is brought when it is first wanted."""
    if not on_appliance():
        from meso_host.setup import model  # noqa: PLC0415 (not on the appliance)

        model.bring(lambda text: print(text, file=sys.stderr))
