"""Where requests come in: those to a model take the short way."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from meso_services.api_proxy.edge.courier import Courier
from meso_services.api_proxy.faces.table import ASKING, face_of
from meso_services.api_proxy.pipeline import Pipeline
from meso_services.api_proxy.upstreams.plan import Incoming
from meso_services.api_proxy.wire import Client, headers_of
from meso_services.runtime.errors import MesoError
from meso_services.runtime.peer import PEER_KEY

METRICS = "/metrics"


class Front:
    """Requests to a model go straight to the pipeline; all others to the framework.

    The framework would take longer over a request than everything else here together. On TCP
    there is nothing but the faces and the metrics: the kernel does not say who asks there.
    """

    def __init__(self, app: FastAPI, pipeline: Pipeline, courier: Courier) -> None:
        self._app, self._pipeline = app, pipeline
        self._courier, self._started = courier, False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._started:
            # The first request after a start or a reload; there is no loop before it.
            self._started = True
            self._courier.start()
        if scope["path"] in ASKING and scope["method"] == "POST":
            await self._pipeline(scope, receive, send)
        elif (
            scope.get(PEER_KEY) is not None
            or scope["path"] == METRICS  # asks for a client's key itself
            or await self._may_list(scope, send)
        ):
            await self._app(scope, receive, send)

    async def _may_list(self, scope: Scope, send: Send) -> bool:
        """True for a client on TCP that lists models and shows its key; else it is refused."""
        face = face_of(scope["path"])
        try:
            if face is None:
                raise MesoError(
                    "proxy.not_here",
                    "only the model APIs are served at this address",
                    status=404,
                    hint="the rest is on the service's socket in /run/meso",
                )
            incoming = Incoming("", headers_of(scope), own_key=True)
            self._pipeline.client_of(scope, incoming)
        except MesoError as problem:
            await Client(scope, send).refuse(face or ASKING["/v1/chat/completions"][0], problem)
            return False
        return True
