"""A service with routes that misbehave on purpose, to show what the chassis does about it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse

from meso_services.contract.common import Message
from meso_services.runtime.app import application, errors
from meso_services.runtime.context import Context
from meso_services.runtime.errors import MesoError
from meso_services.runtime.health import Check, Finding
from meso_services.runtime.peer import Peer, current_peer, require_operator
from meso_services.runtime.service import Service, main
from meso_services.runtime.settings import ServiceSettings, setting


class Settings(ServiceSettings):
    greeting: str = setting("hello", description="What it says.")


class Words(Message):
    words: str


def build(context: Context[Settings]) -> FastAPI:
    if context.settings.greeting == "explode":
        raise RuntimeError("this configuration breaks the service's own code")
    app = application(context, title="demo", checks=CHECKS.get(context.settings.greeting, []))
    for add in (add_plain, add_streams, add_faults, add_peers):
        add(app, context)
    return app


async def slow() -> Finding:
    await asyncio.sleep(30)
    return Finding(True)


async def broken() -> Finding:
    raise RuntimeError("password=hunter2hunter2")


CHECKS = {
    "slow": [Check("slow", slow, deep=True)],
    "broken": [Check("broken", broken, required=False)],
}


def add_plain(app: FastAPI, context: Context[Settings]) -> None:
    process = context.kept.get("process", os.getpid)

    @app.get("/greeting")
    def greeting() -> Words:
        return Words(words=context.settings.greeting)

    @app.get("/process")
    def made_in() -> int:
        return process

    @app.get("/sleep")
    async def sleep(seconds: float) -> Words:
        await asyncio.sleep(seconds)
        return Words(words="slept")

    @app.post("/echo")
    def echo(said: Words) -> Words:
        return said


def add_streams(app: FastAPI, context: Context[Settings]) -> None:
    async def greetings(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield context.settings.greeting.encode() + b"\n"
            await asyncio.sleep(0.1)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65536

    @app.get("/stream")
    async def stream(count: int = 10) -> StreamingResponse:
        return StreamingResponse(greetings(count), media_type="text/plain")

    @app.get("/flood")
    async def flood() -> StreamingResponse:
        return StreamingResponse(endless(), media_type="text/plain")


def add_faults(app: FastAPI, _: Context[Settings]) -> None:
    @app.get("/boom")
    def boom() -> Words:
        raise RuntimeError("api_key=sk-0123456789abcdef")

    @app.get("/refuse", responses=errors(418))
    def refuse() -> Words:
        raise MesoError("demo.teapot", "no coffee", status=418, hint="ask for tea", detail={"a": 1})


def add_peers(app: FastAPI, _: Context[Settings]) -> None:
    @app.get("/whoami")
    def whoami(peer: Annotated[Peer, Depends(current_peer)]) -> dict[str, int]:
        return {"pid": peer.pid, "uid": peer.uid, "gid": peer.gid, "groups": len(peer.groups)}

    @app.get("/secret", dependencies=[Depends(require_operator)], responses=errors(403))
    def secret() -> Words:
        return Words(words="for operators")


if __name__ == "__main__":
    main(Service("demo", Settings, build))
