"""What a chat talks to: a mind's directory in this process, or the mind runner."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from meso_cli.actions import service
from meso_cli.output import CliError
from meso_cli.verbs.mind import asking, current
from meso_cli.verbs.mind.following import follow
from meso_cli.verbs.mind.words import Mind as Request
from meso_services.contract import mind as wire
from meso_services.contract.common import Message
from meso_services.contract.mind import MindConfig
from meso_services.mind import changing, drafts, runs, session, settings_of, state, view
from meso_services.mind.runs import Wish

Tell = Callable[[dict[str, Any]], None]


class Backend(Protocol):
    """Everything may raise CliError, MesoError or CallError. Calls come from several threads."""

    name: str

    def pools(self) -> dict[str, Any]:
        """Both pools, the drafts and the clusters (`clusters`), as they are now."""

    def say(self, text: str) -> None:
        """Tell the mind something."""

    def accept(self, draft: int) -> None:
        """Accept a draft."""

    def presence(self, value: str | None) -> None:
        """Set the user's presence as the mind is told."""

    def think(self, wish: Wish, tell: Tell, stop: threading.Event) -> None:
        """Run iterations; `tell` gets each report."""


@contextmanager
def opened(request: Request) -> Iterator[Backend]:
    """The backend of a request. Raises what opening raises."""
    name = current.find(request.session)
    if request.service:
        yield Remote(name)
    else:
        yield Local(Path(name).resolve(), request)


class Local:
    """A mind's directory."""

    def __init__(self, place: Path, request: Request) -> None:
        self.name = place.name
        self._place, self._request = place, request
        self.pools()

    def pools(self) -> dict[str, Any]:
        """Read anew each time: other programs may have changed it."""
        mind = state.open_mind(self._place)
        return {**view.pools(mind), "clusters": view.cluster_rows(mind)}

    def say(self, text: str) -> None:
        """As `mind message`."""
        changing.say(state.open_mind(self._place), session.USER, session.FIRST_MIND, text)

    def accept(self, draft: int) -> None:
        """As `mind accept`."""
        drafts.accept(state.open_mind(self._place), draft)

    def presence(self, value: str | None) -> None:
        """As `mind config --set presence=…`."""
        mind = state.open_mind(self._place)
        config, changed = settings_of.changed(mind.config, f"presence={value or 'null'}")
        changing.configure(mind, config, changed)

    def think(self, wish: Wish, tell: Tell, stop: threading.Event) -> None:
        """As `mind run`."""
        mind = state.open_mind(self._place)
        around = asking.around(mind, self._request, None)
        for reports in runs.run(mind, wish, around, stop.is_set):
            for report in reports:
                tell(asdict(report))


class Remote:
    """A mind of the mind runner. Each call has a connection of its own: several threads call."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._top = f"/v1/minds/{name}"
        self.pools()

    def pools(self) -> dict[str, Any]:
        """Ask for the pools and the clusters."""
        with service("mind-runner") as asked:
            pools = asked.get(f"{self._top}/pools", wire.PoolsReply)
            clusters = asked.get(f"{self._top}/clusters", wire.ClustersReply).clusters
        return {**pools.model_dump(mode="json"), "clusters": list(clusters)}

    def say(self, text: str) -> None:
        """Tell it."""
        self._post("messages", wire.SayRequest(text=text), wire.SayReply)

    def accept(self, draft: int) -> None:
        """Accept a draft."""
        self._post("accept", wire.AcceptRequest(draft=draft), wire.SayReply)

    def presence(self, value: str | None) -> None:
        """Set a key of its configuration."""
        self._post("config", wire.ConfigRequest(set={"presence": value}), MindConfig)

    def think(self, wish: Wish, tell: Tell, stop: threading.Event) -> None:
        """Let it run there, and follow."""
        self._post("run", wire.RunRequest(iterations=wish.iterations, max=wish.most), wire.RunState)
        with service("mind-runner") as connection:
            found = follow(connection, self._top, stop.is_set, lambda state: _told(state, tell))
        if found.state == "failed":
            raise CliError("mind.run_failed", found.error)

    def _post(self, what: str, body: Message, reply: type[Message]) -> None:
        with service("mind-runner") as connection:
            connection.post(f"{self._top}/{what}", body, reply, once=True)


def _told(found: wire.RunState, tell: Tell) -> None:
    for report in found.reports:
        tell(dict(report))
