"""`mind analyze`, `mind plot` and `mind cluster`, on a directory: what is told and drawn."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from meso_cli.output import CliError, Output, table
from meso_cli.verbs.mind import show
from meso_services.mind import calibration

# Columns of lists and long trees are for JSON; a table has what fits a line.
_WIDEST = 48


def given(request: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of an analysis, as the library and the service take them."""
    wanted = {key: request[key] for key in ("points", "span", "depth", "size", "step")}
    for of in ("thought", "message"):
        if request[of] is not None:
            wanted |= {"of": of, "number": request[of]}
    if request["what"] == "lineage" and "of" not in wanted:
        raise CliError(
            "mind.no_such_thing",
            "the lineage of what?",
            hint="--thought N or --message N",
            status=2,
        )
    return wanted


def tell(answer: Any, output: Output) -> None:
    """Print an analysis: a table of rows, a tree, or a page of keys."""
    output.result(answer, _told(answer))


def measured(given: Mapping[str, Any], own: str) -> str:
    """The model that `calibrate` is to measure; `own` is the mind's. Raises CliError."""
    model: str = given["model"] or own
    if given["set"] and model != own:
        raise CliError(
            "mind.other_model",
            f"the threshold of {model} is of no use to a mind that embeds with {own}.",
            hint=f"Leave out --set, or before the mind has thoughts: `mind config --set "
            f"embedding_model={model}`.",
            status=2,
        )
    return model


def fitting(found: Mapping[str, Any]) -> float:
    """The threshold that was found, to be set. Raises CliError where none is worth it."""
    if found["parted"] < calibration.POOR:
        raise CliError(
            "mind.no_threshold",
            f"nothing was set: no threshold parts these themes (best: {found['parted']} of 1).",
            hint="Try other texts (--texts FILE), or another embedding model.",
        )
    threshold: float = found["threshold"]
    return threshold


def calibrated(found: Mapping[str, Any], output: Output) -> None:
    """Print a calibration: in words, then the numbers."""
    numbers = {key: value for key, value in found.items() if key != "explained"}
    output.result(found, "\n".join([*found["explained"], "", _told(numbers)]))


def _told(answer: Any) -> str:
    if isinstance(answer, list):
        return rows(answer) if answer else "nothing yet"
    if "from" in answer and "what" in answer:
        return "\n".join(_tree(answer, 0))
    lists = {k: v for k, v in answer.items() if isinstance(v, list) and v and _is_rows(v)}
    parts = [show.page({k: v for k, v in answer.items() if k not in lists})]
    parts += [f"{name}:\n{rows(value)}" for name, value in lists.items()]
    return "\n\n".join(parts)


def rows(found: Iterable[Mapping[str, Any]]) -> str:
    """A table of the plain values."""
    listed = list(found)
    names = dict.fromkeys(
        key for row in listed for key, value in row.items() if not isinstance(value, dict)
    )
    cells = [tuple(_cell(row.get(name)) for name in names) for row in listed]
    return table(cells, tuple(name.upper().replace("_", " ") for name in names))


def _is_rows(value: list[Any]) -> bool:
    return all(isinstance(one, dict) for one in value)


def _cell(value: Any) -> str:
    match value:
        case None:
            return "-"
        case list() if _is_rows(value) and value:
            return str(len(value))
        case list():
            text = " ".join(map(str, value)) or "-"
        case _:
            text = " ".join(str(value).split())
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _tree(node: Mapping[str, Any], level: int) -> Iterable[str]:
    text = " ".join(str(node["text"]).split())
    what = f"{node['what']} {node['id']}, iteration {node['iteration']}, {node['mind']}"
    yield f"{'  ' * level}{what}: {text[:100]}"
    for below in node["from"]:
        yield from _tree(below, level + 1)


def write_pictures(
    name: str, page: str, pictures: Mapping[str, bytes], into: Path, output: Output
) -> None:
    """Write the page and the PNG files; what was written is the result. Raises CliError."""
    files = {f"{name}.html": page.encode()}
    files |= {f"{name}-{picture}.png": data for picture, data in pictures.items()}
    try:
        into.mkdir(parents=True, exist_ok=True)
        for file, data in files.items():
            (into / file).write_bytes(data)
    except OSError as problem:
        raise CliError(
            "mind.cannot_write", f"{into}: {problem.strerror}", hint="Name another directory."
        ) from None
    written = [str(into / file) for file in files]
    output.result({"files": written}, "\n".join(written))


def decoded(pictures: Mapping[str, str]) -> dict[str, bytes]:
    """PNG files as the service sends them."""
    return {name: base64.b64decode(data) for name, data in pictures.items()}
