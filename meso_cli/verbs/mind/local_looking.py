"""`mind cluster`, `mind analyze`, `mind plot` and `mind calibrate` on a directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from meso_cli.output import CliError, Output
from meso_cli.verbs.mind import asking, looking, show
from meso_cli.verbs.mind.looking import given as numbers
from meso_cli.verbs.mind.looking import tell, write_pictures
from meso_cli.verbs.mind.words import PICTURES
from meso_cli.verbs.mind.words import Mind as Request
from meso_services.mind import changing, settings_of, view
from meso_services.mind.analysis import ask
from meso_services.mind.state import Mind

ACTIONS = ("cluster", "analyze", "plot", "calibrate")


def run(mind: Mind, request: Request, output: Output) -> None:
    """Do what was asked, one of ACTIONS."""
    match request.action:
        case "cluster":
            _cluster(mind, request.given, output)
        case "analyze":
            _analyze(mind, request, output)
        case "plot":
            _plot(mind, request.given, output)
        case "calibrate":
            _calibrate(mind, request, output)
        case other:
            raise AssertionError(other)


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
    output.result(found, show.members(found))


def _analyze(mind: Mind, request: Request, output: Output) -> None:
    given = request.given
    other = Path(given["other"]).resolve() if given["other"] else None
    embed = asking.embedder(mind, request).embed if given["embed"] else None
    wanted = numbers(given)
    answer = ask.ask(mind.directory, given["what"], wanted, other=other, embed=embed)
    tell(answer, output)


def _plot(mind: Mind, given: dict[str, Any], output: Output) -> None:
    from meso_services.mind.analysis import record  # noqa: PLC0415 (rarely)
    from meso_services.mind.plots import page, png  # noqa: PLC0415

    held = record.load(mind.directory)
    scenes = page.scenes(held, given["only"] or PICTURES)
    pictures = {} if given["no_png"] else {scene.name: png.draw(scene) for scene in scenes}
    into = Path(given["directory"])
    write_pictures(mind.directory.name, page.draw(held, scenes), pictures, into, output)


def _calibrate(mind: Mind, request: Request, output: Output) -> None:
    from meso_services.mind import calibration  # noqa: PLC0415 (rarely)

    given, own, now = request.given, mind.config.embedding_model, mind.config
    model = looking.measured(given, own)
    texts = calibration.read(Path(given["texts"])) if given["texts"] else calibration.own()
    embedder = asking.measuring(model, request)
    found = calibration.explained(embedder, texts, model, now.centroid_match_threshold)
    if given["set"]:
        value = looking.fitting(found)
        config, changed = settings_of.changed(mind.config, f"centroid_match_threshold={value}")
        changing.configure(mind, config, changed)
    looking.calibrated(found, output)
