"""Calibration: right where the answer is known, and the local model's threshold is what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from meso_host.setup import model as files
from meso_services.contract.mind import MindConfig
from meso_services.mind import calibration, embedders
from meso_services.mind.clustering import Floats
from meso_services.mind.embedders import LOCAL_THRESHOLD, InProcess
from meso_services.runtime.errors import MesoError


class Geometry:
    """Texts `THEME/N` lie around an axis, `side` away."""

    def __init__(self, side: float) -> None:
        self._side = side

    def embed(self, texts: Any) -> Floats:
        rng = np.random.default_rng(1)
        found = rng.normal(size=(len(texts), 40)) * self._side
        for row, text in enumerate(texts):
            found[row, int(text.partition("/")[0])] += 1
        return found.astype(np.float32)


TEXTS = {str(t): [f"{t}/{n}" for n in range(8)] for t in range(6)}


@pytest.mark.parametrize("side", [0.02, 0.08])
def test_the_threshold_lies_between_near_and_far(side: float) -> None:
    found = calibration.calibrate(Geometry(side), TEXTS)
    near, far = found["distances"]
    assert found["parted"] == 1
    assert near["nine_tenths"] < found["threshold"] < far["tenth"]


def test_the_local_models_threshold_is_the_calibrated_one() -> None:
    place = files.bring(lambda _: None)
    found = calibration.calibrate(InProcess(place), calibration.own())
    low, high = map(float, found["equally_good"].split(" to "))
    assert low <= LOCAL_THRESHOLD <= high
    assert found["parted"] > 0.6
    written = embedders.offline(MindConfig()).written()
    assert written["centroid_match_threshold"] == LOCAL_THRESHOLD
    assert (written["embedding_model"], written["embedding_dim"]) == (
        "local/all-MiniLM-L6-v2",
        384,
    )


@pytest.mark.parametrize(
    "text",
    ["", "a: [x, y]", "a: [x]\nb: [y, z]", "a: 1\nb: [y, z]", "a: [", "a: ['', x]\nb: [y, z]"],
)
def test_texts_that_say_nothing_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "texts.yaml"
    file.write_text(text)
    with pytest.raises(MesoError) as problem:
        calibration.read(file)
    assert problem.value.code == "mind.bad_texts"


def test_texts_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "texts.yaml"
    file.write_text("garden: [roses, beans]\nsea: [tide, whales]\n")
    assert calibration.read(file) == {"garden": ["roses", "beans"], "sea": ["tide", "whales"]}
