"""The chat's screen: the talk, a line to write in, and the pools beside them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import DataTable, Footer, Header, Input, RichLog, Static

from meso_cli.output import problem
from meso_cli.verbs.chat.backend import Backend
from meso_cli.verbs.mind import show
from meso_services.mind.runs import Wish

PRESENCES = ("absent", "reviewing", "engaged", "off")
# Another program may run iterations of the same mind meanwhile.
REFRESH_SECONDS = 5.0


class Chat(App[None]):
    """One mind. `most` bounds the iterations until it speaks."""

    TITLE = "MESO chat"
    CSS = """
    #talk { width: 3fr; }
    #beside { width: 2fr; }
    #log { height: 1fr; padding: 0 1; }
    #state { height: 1; color: $text-muted; padding: 0 1; }
    #thoughts { height: 2fr; }
    #clusters { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        ("ctrl+r", "think", "One iteration"),
        ("ctrl+s", "halt", "Stop"),
        ("ctrl+t", "beside", "Pools"),
        ("ctrl+q", "quit", "Quit"),
    ]

    def __init__(self, mind: Backend, most: int) -> None:
        super().__init__()
        self._mind, self._most = mind, most
        self._stop = threading.Event()
        self._thinking = False
        self._shown: set[int] = set()
        self._drafts: set[int] = set()

    def compose(self) -> ComposeResult:
        """The widgets."""
        yield Header()
        with Horizontal():
            with Vertical(id="talk"):
                yield RichLog(id="log", wrap=True)
                yield Static(id="state")
                yield Input(id="line", placeholder="Say something, or /help")
            with Vertical(id="beside"):
                yield DataTable(id="thoughts", cursor_type="row")
                yield DataTable(id="clusters", cursor_type="row")
        yield Footer()

    def on_mount(self) -> None:
        """Fill the screen, and keep it fresh."""
        self.sub_title = self._mind.name
        self.query_one("#thoughts", DataTable).add_columns("age", "cluster", "thought")
        self.query_one("#clusters", DataTable).add_columns("cluster", "size", "active", "like")
        self.query_one("#line", Input).focus()
        self._look()
        self.set_interval(REFRESH_SECONDS, self._look)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """A command, or words for the mind."""
        text = event.value.strip()
        event.input.clear()
        if text.startswith("/"):
            self._command(text[1:].split())
        elif text:
            self._in_background(lambda: self._said(text))

    def action_think(self) -> None:
        """One iteration."""
        self._think(Wish(1))

    def action_halt(self) -> None:
        """End after the running iteration."""
        self._stop.set()

    def action_beside(self) -> None:
        """Show or hide the pools."""
        beside = self.query_one("#beside")
        beside.display = not beside.display

    def _command(self, words: list[str]) -> None:
        match words:
            case ["quit"]:
                self.exit()
            case ["stop"]:
                self._stop.set()
            case ["run"]:
                self._think(Wish(None, self._most))
            case ["run", count] if _number(count):
                self._think(Wish(int(count)))
            case ["drafts"]:
                self._drafts.clear()
                self._look()
            case ["accept", draft] if draft.isascii() and draft.isdecimal():
                self._in_background(lambda: self._mind.accept(int(draft)))
            case ["presence", value] if value in PRESENCES:
                wanted = None if value == "off" else value
                self._in_background(lambda: self._mind.presence(wanted))
            case _:
                said = "/run [N]  /stop  /drafts  /accept NUMBER  /presence "
                self._note(f"{said}{'|'.join(PRESENCES)}  /quit")

    def _said(self, text: str) -> None:
        self._mind.say(text)
        self.call_from_thread(self._think, Wish(None, self._most))

    def _think(self, wish: Wish) -> None:
        if self._thinking:
            # It sees the new message in its next iteration.
            return
        self._thinking = True
        self._stop.clear()
        self._state("thinking…")

        def work() -> None:
            try:
                self._mind.think(wish, self._report, self._stop)
            finally:
                self.call_from_thread(self._rest)

        self._in_background(work)

    def _rest(self) -> None:
        self._thinking = False
        self._state("")

    def _report(self, report: dict[str, Any]) -> None:
        def tell() -> None:
            self._state(show.progress(report))
            self._look()

        self.call_from_thread(tell)

    def _in_background(self, work: Callable[[], None]) -> None:
        """Do it in a thread; what goes wrong is told in the talk."""

        def guarded() -> None:
            try:
                work()
            except Exception as error:
                shown = problem(error)
                if shown is None:
                    raise
                self.call_from_thread(self._note, shown.text())
            self.call_from_thread(self._look)

        self.run_worker(guarded, thread=True, exit_on_error=True)

    def _look(self) -> None:
        """Read the mind in a thread, and show it."""

        def read() -> None:
            try:
                found = self._mind.pools()
            except Exception as error:
                shown = problem(error)
                if shown is None:
                    raise
                self.call_from_thread(self._state, shown.message)
            else:
                self.call_from_thread(self._show, found)

        # One look at a time: a later one takes the place of one that waits.
        self.run_worker(read, thread=True, group="look", exclusive=True)

    def _show(self, found: dict[str, Any]) -> None:
        for one in found["messages"]:
            if one["message"] not in self._shown:
                self._shown.add(one["message"])
                self._speak(one["source"], one["to"], one["text"])
        for one in found["drafts"]:
            if one["draft"] not in self._drafts:
                self._drafts.add(one["draft"])
                self._speak(f"{one['source']}, draft {one['draft']}", "user", one["text"])
        thoughts = self.query_one("#thoughts", DataTable)
        thoughts.clear()
        for one in reversed(found["thoughts"]):
            text = " ".join(one["text"].split())
            thoughts.add_row(str(one["age"]), one["cluster"] or "~", Text(text))
        clusters = self.query_one("#clusters", DataTable)
        clusters.clear()
        for row in sorted(found["clusters"], key=lambda row: (-row["active"], -row["size"])):
            cells = (row["name"], str(row["size"]), str(row["active"]))
            clusters.add_row(*cells, Text(str(row["nearest"])))
        presence = f", {found['presence']}" if found["presence"] else ""
        self.sub_title = f"{self._mind.name}, iteration {found['iteration']}{presence}"

    def _speak(self, source: str, to: str, text: str) -> None:
        style = "bold cyan" if source == "user" else "bold green"
        log = self.query_one("#log", RichLog)
        head = source if {source, to} <= {"user", "mind_0"} else f"{source} to {to}"
        # Text of others is shown as it stands: brackets in it are no markup.
        log.write(Text(head, style))
        log.write(Text(f"{text}\n"))

    def _note(self, text: str) -> None:
        self.query_one("#log", RichLog).write(Text(text, "italic yellow"))

    def _state(self, text: str) -> None:
        self.query_one("#state", Static).update(Text(text))


def _number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 0 < int(text) <= 100_000
