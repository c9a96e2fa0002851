"""What a chat talks to: a mind's directory in this process, or the mind runner."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from meso_cli.actions import service
from meso_cli.output import CliError
from meso_cli.verbs.mind import asking, current
from meso_cli.verbs.mind.words import Mind as Request
from meso_services.contract import mind as wire
from meso_services.contract.client import Connection
from meso_services.contract.mind import MindConfig
from meso_services.mind import drafts, runs, session, settings_of, state, view
from meso_services.mind.runs import Wish

Tell = Callable[[dict[str, Any]], None]
PAUSE = 0.3


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
        with service("mind-runner") as connection:
            yield Remote(connection, name)
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
        state.say(state.open_mind(self._place), session.USER, session.FIRST_MIND, text)

    def accept(self, draft: int) -> None:
        """As `mind accept`."""
        drafts.accept(state.open_mind(self._place), draft)

    def presence(self, value: str | None) -> None:
        """As `mind config --set presence=…`."""
        mind = state.open_mind(self._place)
        config, changed = settings_of.changed(mind.config, f"presence={value or 'null'}")
        state.configure(mind, config, changed)

    def think(self, wish: Wish, tell: Tell, stop: threading.Event) -> None:
        """As `mind run`."""
        mind = state.open_mind(self._place)
        around = asking.around(mind, self._request, None)
        for reports in runs.run(mind, wish, around, stop.is_set):
            for report in reports:
                tell(asdict(report))


class Remote:
    """A mind of the mind runner."""

    def __init__(self, connection: Connection, name: str) -> None:
        self.name = name
        self._connection, self._top = connection, f"/v1/minds/{name}"
        self.pools()

    def pools(self) -> dict[str, Any]:
        """Ask for the pools and the clusters."""
        pools = self._connection.get(f"{self._top}/pools", wire.PoolsReply)
        clusters = self._connection.get(f"{self._top}/clusters", wire.ClustersReply).clusters
        return {**pools.model_dump(mode="json"), "clusters": list(clusters)}

    def say(self, text: str) -> None:
        """Tell it."""
        wanted = wire.SayRequest(text=text)
        self._connection.post(f"{self._top}/messages", wanted, wire.SayReply, once=True)

    def accept(self, draft: int) -> None:
        """Accept a draft."""
        wanted = wire.AcceptRequest(draft=draft)
        self._connection.post(f"{self._top}/accept", wanted, wire.SayReply, once=True)

    def presence(self, value: str | None) -> None:
        """Set a key of its configuration."""
        wanted = wire.ConfigRequest(set={"presence": value})
        self._connection.post(f"{self._top}/config", wanted, MindConfig, once=True)

    def think(self, wish: Wish, tell: Tell, stop: threading.Event) -> None:
        """Let it run there, and follow."""
        wanted = wire.RunRequest(iterations=wish.iterations, max=wish.most)
        self._connection.post(f"{self._top}/run", wanted, wire.RunState, once=True)
        seen, asked = 0, False
        while True:
            if stop.is_set() and not asked:
                asked = True
                self._connection.post(
                    f"{self._top}/stop", wire.RunRequest(), wire.RunState, once=True
                )
            found = self._connection.get(f"{self._top}/run", wire.RunState, after=seen)
            for report in found.reports:
                tell(dict(report))
            seen = found.count
            if found.state == "failed":
                raise CliError("mind.run_failed", found.error)
            if found.state != "running":
                return
            time.sleep(PAUSE)
