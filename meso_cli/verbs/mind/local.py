"""`mind` on a directory, without any service."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from meso_cli.actions import text_or_input
from meso_cli.output import CliError, Output
from meso_cli.verbs.mind import asking, current, local_looking, show
from meso_cli.verbs.mind.interrupting import INTERRUPTED, interruptible
from meso_cli.verbs.mind.words import Mind as Request
from meso_services.contract.mind import MindConfig
from meso_services.mind import (
    changing,
    drafts,
    embedders,
    extract,
    runs,
    session,
    settings_of,
    state,
    view,
)
from meso_services.mind.runs import Wish
from meso_services.mind.state import Mind


def run(request: Request, output: Output) -> int:
    """Do what was asked."""
    given = request.given
    match request.action:
        case "init":
            return _init(request, output)
        case "open":
            place = Path(given["directory"]).resolve()
            status = view.status(state.open_mind(place))
            current.remember(str(place))
            output.result(status, show.page(status))
            return 0
        case "list":
            raise CliError("mind.service_only", "`list` asks a service.", hint="Add --service.")
        case _:
            mind = state.open_mind(Path(current.find(request.session)).resolve())
            return _on(mind, request, output)


def _init(request: Request, output: Output) -> int:
    given = request.given
    place = Path(given["directory"]).resolve()
    prompt = given["prompt"]
    config = MindConfig()
    if given["offline"]:
        config = embedders.offline(config)
        asking.bring_model()
    place.parent.mkdir(parents=True, exist_ok=True)
    session.init(place, session.prompt_text(text_or_input(prompt)) if prompt else None, config)
    current.remember(str(place))
    status = view.status(state.open_mind(place))
    output.result(status, show.page(status))
    return 0


def _on(mind: Mind, request: Request, output: Output) -> int:
    given = request.given
    if request.action in local_looking.ACTIONS:
        local_looking.run(mind, request, output)
        return 0
    match request.action:
        case "status":
            output.result(view.status(mind), show.page(view.status(mind)))
        case "run" | "step":
            return _think(mind, request, output)
        case "message":
            number = changing.say(mind, session.USER, given["to"], text_of(given))
            output.result({"message": number, "to": given["to"]}, f"message {number}")
        case "config":
            _config(mind, given["set"], output)
        case "drafts":
            found = drafts.archived(mind) if given["archive"] else drafts.pending(mind)
            output.result(found, show.drafts(found))
        case "accept":
            accepted = drafts.accept(mind, given["draft"])
            output.result(accepted, f"message {accepted['id']}")
        case "history":
            rows = view.history(mind, given["limit"])
            output.result(rows, show.history(rows))
        case "extract":
            target = Path(given["directory"]).resolve()
            head = extract.extract(mind.directory, target, given["first"], given["last"])
            made = {"session": str(target), "iteration": head.iteration}
            output.result(made, show.page(made))
        case other:
            raise AssertionError(other)
    return 0


def text_of(given: dict[str, Any]) -> str:
    """The message of the command line, a file, or standard input."""
    if given["file"]:
        return _file(Path(given["file"]))
    if given["text"] is None and sys.stdin.isatty():
        raise CliError("mind.no_text", "there is no text.", hint='mind message "hello"', status=2)
    return text_or_input(given["text"] or "-")


def _file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as problem:
        said = f"{path}: {problem.strerror or problem}"
    except UnicodeDecodeError:
        said = f"{path}: it is not UTF-8"
    raise CliError("mind.unreadable_file", said, hint="Name a file of plain text.")


def _config(mind: Mind, assignments: list[str], output: Output) -> None:
    for one in assignments:
        config, changed = settings_of.changed(mind.config, one)
        changing.configure(mind, config, changed)
    values = mind.config.written()
    output.result(values, show.page(values))


def _think(mind: Mind, request: Request, output: Output) -> int:
    given = request.given
    step = request.action == "step"
    wish = Wish(1 if step else given["iterations"], (not step and given["max"]) or runs.SAFETY)
    debug = _show_debug if step and given["debug"] else None
    around = asking.around(mind, request, debug)
    with interruptible() as stopped:
        for reports in runs.run(mind, wish, around, stopped):
            for report in map(asdict, reports):
                print(show.progress(report), file=sys.stderr, flush=True)
                if output.json:
                    output.line(report)
                else:
                    for text in show.said(report):
                        output.line(None, text)
        return INTERRUPTED if stopped() else 0


def _show_debug(what: str, text: str) -> None:
    print(show.debug(what, text), file=sys.stderr, flush=True)
