"""`mind` on a directory, without any service."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from meso_cli.actions import text_or_input
from meso_cli.command import on_appliance
from meso_cli.output import CliError, Output
from meso_cli.verbs.mind import current, looking, show
from meso_cli.verbs.mind.words import PICTURES
from meso_cli.verbs.mind.words import Mind as Request
from meso_services.contract.mind import MindConfig
from meso_services.mind import drafts, embedders, extract, runs, session, settings_of, state, view
from meso_services.mind.analysis import ask
from meso_services.mind.embedders import InProcess, Service
from meso_services.mind.iteration import Around
from meso_services.mind.models import Api, Client, Endpoint
from meso_services.mind.runs import Wish
from meso_services.mind.state import Mind

SOCKETS = Path("/run/meso")


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
        _bring_model()
    place.parent.mkdir(parents=True, exist_ok=True)
    session.init(place, session.prompt_text(text_or_input(prompt)) if prompt else None, config)
    current.remember(str(place))
    status = view.status(state.open_mind(place))
    output.result(status, show.page(status))
    return 0


def _on(mind: Mind, request: Request, output: Output) -> int:
    given = request.given
    match request.action:
        case "status":
            output.result(view.status(mind), show.page(view.status(mind)))
        case "run" | "step":
            return _think(mind, request, output)
        case "message":
            number = state.say(mind, session.USER, given["to"], text_of(given))
            output.result({"message": number, "to": given["to"]}, f"message {number}")
        case "config":
            _config(mind, given["set"], output)
        case "cluster":
            _cluster(mind, given, output)
        case "analyze":
            _analyze(mind, request, output)
        case "plot":
            _plot(mind, given, output)
        case "calibrate":
            _calibrate(mind, request, output)
        case "drafts":
            found = drafts.archived(mind) if given["archive"] else drafts.pending(mind)
            text = "\n".join(f"{d['id']}  (iteration {d['iteration']})\n{d['text']}" for d in found)
            output.result(found, text or "none")
        case "accept":
            accepted = drafts.accept(mind, given["draft"])
            output.result(accepted, f"message {accepted['id']}")
        case "history":
            rows = view.history(mind, given["limit"])
            output.result(rows, "\n".join(map(_line, rows)) or "nothing yet")
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
        return Path(given["file"]).read_text(encoding="utf-8")
    if given["text"] is None and sys.stdin.isatty():
        raise CliError("mind.no_text", "there is no text.", hint='mind message "hello"', status=2)
    return text_or_input(given["text"] or "-")


def _config(mind: Mind, assignments: list[str], output: Output) -> None:
    for one in assignments:
        config, changed = settings_of.changed(mind.config, one)
        state.configure(mind, config, changed)
    values = mind.config.written()
    output.result(values, show.page(values))


def _cluster(mind: Mind, given: dict[str, Any], output: Output) -> None:
    if given["what"] == "status":
        rows = view.cluster_rows(mind)
        output.result(rows, show.clusters(rows))
        return
    if not given["cluster"]:
        raise CliError(
            "mind.no_cluster", "which one?", hint="mind cluster show cluster_0", status=2
        )
    if given["what"] == "split":
        moved = view.split(mind, given["cluster"], dry_run=given["dry_run"])
        output.result(moved, show.split(moved))
        return
    found = view.members(mind, given["cluster"])
    text = "\n".join(f"{m['thought']:>6}  {m['distance']:.3f}  {m['text']}" for m in found)
    output.result(found, text)


def _analyze(mind: Mind, request: Request, output: Output) -> None:
    given = request.given
    other = Path(given["other"]).resolve() if given["other"] else None
    embed = _embedder(mind, request).embed if given["embed"] else None
    wanted = looking.given(given)
    answer = ask.ask(mind.directory, given["what"], wanted, other=other, embed=embed)
    looking.tell(answer, output)


def _plot(mind: Mind, given: dict[str, Any], output: Output) -> None:
    from meso_services.mind.analysis import record  # noqa: PLC0415 (rarely)
    from meso_services.mind.plots import page, png  # noqa: PLC0415

    held = record.load(mind.directory)
    scenes = page.scenes(held, given["only"] or PICTURES)
    pictures = {} if given["no_png"] else {scene.name: png.draw(scene) for scene in scenes}
    into = Path(given["directory"])
    looking.write_pictures(mind.directory.name, page.draw(held, scenes), pictures, into, output)


def _calibrate(mind: Mind, request: Request, output: Output) -> None:
    from meso_services.mind import calibration  # noqa: PLC0415 (rarely)

    given = request.given
    texts = calibration.read(Path(given["texts"])) if given["texts"] else calibration.own()
    found = calibration.calibrate(_embedder(mind, request), texts)
    if given["set"]:
        value = found["threshold"]
        config, changed = settings_of.changed(mind.config, f"centroid_match_threshold={value}")
        state.configure(mind, config, changed)
    looking.tell(found, output)


def _line(row: dict[str, Any]) -> str:
    if row["what"] == "message":
        return f"{row['time']}  {row['source']} to {row['to']}: {row['text']}"
    return f"{row['time']}  [{row['what']}] iteration {row['iteration']}"


def _think(mind: Mind, request: Request, output: Output) -> int:
    given = request.given
    step = request.action == "step"
    wish = Wish(1 if step else given["iterations"], (not step and given["max"]) or runs.SAFETY)
    debug = _show_debug if step and given["debug"] else None
    around = _around(mind, request, debug)
    with _interruptible() as stopped:
        for reports in runs.run(mind, wish, around, stopped):
            for report in map(asdict, reports):
                print(show.progress(report), file=sys.stderr, flush=True)
                if output.json:
                    output.line(report)
                else:
                    for text in show.said(report):
                        output.line(None, text)
    return 0


def _around(mind: Mind, request: Request, debug: Any) -> Around:
    client = Client(endpoint(request), note=lambda text: print(text, file=sys.stderr))
    return Around(client, embedders.choose(mind.config, client, _own(mind)), debug)


def _own(mind: Mind) -> embedders.Embedder:
    if mind.config.embedding_model == embedders.LOCAL_MODEL:
        _bring_model()
    return Service(SOCKETS) if on_appliance() else InProcess()


def _embedder(mind: Mind, request: Request) -> embedders.Embedder:
    """Who embeds; the local model needs no endpoint."""
    if mind.config.embedding_model == embedders.LOCAL_MODEL:
        return _own(mind)
    return _around(mind, request, None).embedder


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


def _bring_model() -> None:
    """On the operator's computer the local model is brought when it is first wanted."""
    if not on_appliance():
        from meso_host.setup import model  # noqa: PLC0415 (not on the appliance)

        model.bring(lambda text: print(text, file=sys.stderr))


def _show_debug(what: str, text: str) -> None:
    print(f"----- {what} -----\n{text}", file=sys.stderr, flush=True)


@contextmanager
def _interruptible() -> Iterator[Any]:
    """Ctrl-C asks for an end after the iteration; a second one ends at once."""
    asked = False

    def handle(_signal: int, _frame: Any) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        print("ending after this iteration; again to end at once", file=sys.stderr, flush=True)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: asked
    finally:
        signal.signal(signal.SIGINT, before)
