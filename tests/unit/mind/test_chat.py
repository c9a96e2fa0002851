"""The terminal chat, driven by its keys over a real mind and a loopback model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from textual.widgets import DataTable, Input, RichLog

from meso_cli.verbs.chat.backend import Local
from meso_cli.verbs.chat.screen import Chat
from meso_cli.verbs.mind.words import Mind as Request
from meso_services.mind import state

from .test_sessions import CONFIG, made, reply
from .upstream import Upstream, serving


def opened(place: Path, upstream: Upstream) -> Chat:
    request = Request("chat", False, str(place), upstream.url, "openai", {})
    return Chat(Local(place, request), 5)


def shown(app: Chat) -> str:
    return "\n".join(line.text for line in app.query_one("#log", RichLog).lines)


async def until(pilot: Any, holds: Callable[[], bool]) -> None:
    """Wait for it, as long as a busy computer may need."""
    for _ in range(600):
        if holds():
            return
        await pilot.pause(0.05)
    raise AssertionError(shown(pilot.app))


async def write(pilot: Any, text: str) -> None:
    pilot.app.query_one("#line", Input).value = text
    await pilot.press("enter")


def test_a_talk(tmp_path: Path) -> None:
    """Words go in, the answer comes out as it stands, pools and clusters are beside."""

    def answer(request: dict[str, Any], number: int) -> str:
        heard = "Good morning" in request["messages"][1]["content"]
        return reply([f"thought [bold]{number}"], "Hello [red]you[/red]." if heard else None)

    async def talk(app: Chat) -> None:
        async with app.run_test(size=(140, 40)) as pilot:
            await until(pilot, lambda: "Hello." in shown(app))
            await write(pilot, "Good morning")
            await until(pilot, lambda: "Hello [red]you[/red]." in shown(app))
            await until(pilot, lambda: app.query_one("#thoughts", DataTable).row_count == 1)
            row = app.query_one("#thoughts", DataTable).get_row_at(0)
            assert row[:2] == ["1", "~"]
            assert str(row[2]) == "thought [bold]0"
            assert "Good morning" in shown(app)
            await pilot.press("ctrl+r")
            await until(pilot, lambda: app.query_one("#thoughts", DataTable).row_count == 2)
            await write(pilot, "/presence engaged")
            await until(pilot, lambda: "engaged" in app.sub_title)
            await write(pilot, "/no such thing")
            await until(pilot, lambda: "/accept NUMBER" in shown(app))
            await pilot.press("ctrl+t")
            assert not app.query_one("#beside").display
            await pilot.press("ctrl+q")

    with serving(Upstream(answer)) as upstream:
        mind = made(tmp_path / "m")
        asyncio.run(talk(opened(mind.directory, upstream)))
    again = state.open_mind(mind.directory)
    assert again.config.presence == "engaged"
    assert [m.text for m in again.pool()][:2] == ["Hello.", "Good morning"]


def test_drafts_are_shown_and_accepted(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"drafts": True})

    def answer(_: dict[str, Any], number: int) -> str:
        return yaml.safe_dump({"drafts": [{"to": "user", "text": f"proposal {number}"}]})

    async def talk(app: Chat) -> None:
        async with app.run_test(size=(140, 40)) as pilot:
            await write(pilot, "/run 2")
            await until(pilot, lambda: "proposal 1" in shown(app))
            await write(pilot, "/accept 7")
            await until(pilot, lambda: "no draft 7 waits" in shown(app))
            await write(pilot, "/accept 0")
            await until(pilot, lambda: shown(app).count("proposal 0") == 2)

    with serving(Upstream(answer)) as upstream:
        mind = made(tmp_path / "m", config)
        asyncio.run(talk(opened(mind.directory, upstream)))
    assert [m.text for m in state.open_mind(mind.directory).pool()] == ["Hello.", "proposal 0"]


def test_a_model_that_fails_is_told_and_the_chat_goes_on(tmp_path: Path) -> None:
    async def talk(app: Chat) -> None:
        async with app.run_test(size=(140, 40)) as pilot:
            await write(pilot, "Anybody?")
            await until(pilot, lambda: "HTTP 401" in shown(app))
            await write(pilot, "/stop")
            assert app.is_running

    with serving(Upstream(lambda *_: "", lambda _: 401)) as upstream:
        mind = made(tmp_path / "m")
        asyncio.run(talk(opened(mind.directory, upstream)))
    assert state.open_mind(mind.directory).iteration == 0
