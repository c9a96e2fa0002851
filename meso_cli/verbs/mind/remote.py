"""`mind --service`: the mind runner of this appliance."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from meso_cli.actions import service, text_or_input
from meso_cli.output import CliError, Output, table
from meso_cli.verbs.mind import current, looking, show
from meso_cli.verbs.mind.following import follow
from meso_cli.verbs.mind.interrupting import INTERRUPTED, interruptible
from meso_cli.verbs.mind.words import Mind as Request
from meso_services.contract import mind as wire
from meso_services.contract.client import Connection
from meso_services.contract.mind import MindConfig
from meso_services.mind import calibration, settings_of

# Pictures and measurements of a large mind take a while.
SECONDS = 600.0
Answer = Callable[[Connection, dict[str, Any], Request, Output], None]


def run(request: Request, output: Output) -> int:
    """Ask the service."""
    with service("mind-runner", timeout=SECONDS) as connection:
        if request.action == "init":
            _init(connection, request, output)
        elif request.action == "list":
            _list(connection, output)
        elif request.action == "open":
            current.remember(request.given["directory"])
            _status(connection, request.given["directory"], output)
        else:
            name = current.find(request.session)
            return _on(connection, f"/v1/minds/{name}", request, output)
    return 0


def _init(connection: Connection, request: Request, output: Output) -> None:
    given = request.given
    prompt = text_or_input(given["prompt"]) if given["prompt"] else None
    wanted = {"name": given["directory"], "offline": given["offline"]}
    wanted |= {"prompt": prompt} if prompt else {}
    made = connection.post(
        "/v1/minds", wire.CreateMind.model_validate(wanted), wire.Mind, once=True
    )
    current.remember(made.name)
    output.result(made.model_dump(mode="json"), made.name)


def _list(connection: Connection, output: Output) -> None:
    found = connection.get("/v1/minds", wire.MindsReply)
    rows = [
        (m.name, "?" if m.iteration is None else str(m.iteration), m.problem) for m in found.minds
    ]
    text = table(rows, ("NAME", "ITERATION", "PROBLEM")) if rows else "no mind"
    output.result(found.model_dump(mode="json"), text)


def _status(connection: Connection, name: str, output: Output) -> None:
    mind = connection.get(f"/v1/minds/{name}", wire.Mind).model_dump(mode="json")
    output.result(mind, show.page(mind))


def _on(connection: Connection, top: str, request: Request, output: Output) -> int:
    given = request.given
    if request.action in ("cluster", "analyze", "plot", "calibrate"):
        _look(connection, top, request, output)
        return 0
    match request.action:
        case "status":
            _status(connection, top.rpartition("/")[2], output)
        case "message":
            from meso_cli.verbs.mind.local import text_of  # noqa: PLC0415 (heavier, rarely)

            wanted = wire.SayRequest(text=text_of(given), to=given["to"])
            said = connection.post(f"{top}/messages", wanted, wire.SayReply, once=True)
            output.result(said.model_dump(), f"message {said.message}")
        case "run" | "step":
            return _think(connection, top, request, output)
        case "config":
            _config(connection, top, given["set"], output)
        case "history":
            rows = connection.get(f"{top}/history", wire.HistoryReply, limit=given["limit"]).history
            output.result(list(rows), show.history(rows))
        case "drafts":
            waiting = connection.get(
                f"{top}/drafts", wire.DraftsReply, archive=given["archive"]
            ).drafts
            output.result(list(waiting), show.drafts(waiting))
        case "extract":
            names = {key: given[key] for key in ("first", "last")}
            fork = wire.ExtractRequest(name=given["directory"], **names)
            made = connection.post(f"{top}/extract", fork, wire.MindSummary, once=True)
            output.result(made.model_dump(), f"{made.name}, iteration {made.iteration}")
        case "accept":
            wish = wire.AcceptRequest(draft=given["draft"])
            done = connection.post(f"{top}/accept", wish, wire.SayReply, once=True)
            output.result(done.model_dump(), f"message {done.message}")
        case other:
            raise AssertionError(other)
    return 0


def _look(connection: Connection, top: str, request: Request, output: Output) -> None:
    given = request.given
    match request.action:
        case "cluster" if given["what"] == "status":
            rows = connection.get(f"{top}/clusters", wire.ClustersReply).clusters
            output.result(list(rows), show.clusters(rows))
        case "cluster" if given["what"] == "split":
            asked = wire.SplitRequest(dry_run=given["dry_run"])
            place = f"{top}/clusters/{given['cluster']}/split"
            made = connection.post(place, asked, wire.SplitReply, once=True).clusters
            output.result(list(made), show.split(made))
        case "analyze":
            _analyze(connection, top, given, output)
        case "calibrate":
            _calibrate(connection, top, given, output)
        case "plot":
            # Pictures are drawn there and written here.
            reply = connection.get(f"{top}/plot", wire.PlotReply, png_too=not given["no_png"])
            chosen = given["only"] or reply.pictures
            pictures = {n: d for n, d in reply.pictures.items() if n in chosen}
            name, into = top.rpartition("/")[2], Path(given["directory"])
            looking.write_pictures(name, reply.page, looking.decoded(pictures), into, output)
        case "cluster":
            found = connection.get(f"{top}/clusters/{given['cluster']}", wire.MembersReply).members
            output.result(list(found), show.members(found))
        case other:
            raise AssertionError(other)


def _analyze(connection: Connection, top: str, given: dict[str, Any], output: Output) -> None:
    wanted = looking.given(given) | {"other": given["other"]}
    wanted |= {"embed": "true"} if given["embed"] else {}
    path = f"{top}/analysis/{given['what']}"
    reply = connection.get(path, wire.AnalysisReply, **wanted)
    looking.tell(list(reply.answer) if reply.rows else reply.answer[0], output)


def _calibrate(connection: Connection, top: str, given: dict[str, Any], output: Output) -> None:
    model = looking.measured(given, connection.get(top, wire.Mind).config.embedding_model)
    texts = calibration.read(Path(given["texts"])) if given["texts"] else None
    wanted = {"texts": texts, "model": model}
    asked = wire.CalibrateRequest.model_validate(wanted)
    found = connection.post(f"{top}/calibrate", asked, wire.CalibrateReply, once=True).answer
    if given["set"]:
        change = wire.ConfigRequest(set={"centroid_match_threshold": looking.fitting(found)})
        connection.post(f"{top}/config", change, MindConfig, once=True)
    looking.calibrated(found, output)


def _config(connection: Connection, top: str, assignments: list[str], output: Output) -> None:
    config = connection.get(top, wire.Mind).config
    wanted: dict[str, Any] = {}
    for one in assignments:
        config, changed = settings_of.changed(config, one)
        wanted |= changed
    if wanted:
        request = wire.ConfigRequest(set=wanted)
        config = connection.post(f"{top}/config", request, MindConfig, once=True)
    output.result(config.written(), show.page(config.written()))


def _think(connection: Connection, top: str, request: Request, output: Output) -> int:
    given = request.given
    step = request.action == "step"
    wanted: dict[str, Any] = {"iterations": 1 if step else given["iterations"]}
    if step and given["debug"]:
        wanted["debug"] = True
    if not step and given["max"]:
        wanted["max"] = given["max"]
    wish = wire.RunRequest.model_validate(wanted)
    with interruptible() as stopped:
        connection.post(f"{top}/run", wish, wire.RunState, once=True)
        found = follow(connection, top, stopped, lambda state: _tell(state, output))
        if found.state == "failed":
            raise CliError("mind.run_failed", found.error)
        return INTERRUPTED if stopped() else 0


def _tell(found: wire.RunState, output: Output) -> None:
    for part in found.debug:
        print(show.debug(part.what, part.text), file=sys.stderr, flush=True)
    for report in found.reports:
        print(show.progress(report), file=sys.stderr, flush=True)
        for text in [] if output.json else show.said(report):
            output.line(None, text)
        if output.json:
            output.line(report)
