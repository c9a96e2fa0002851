"""The operon loader says who the instance is and why an operon loads."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from meso_services.contract.identity_hash import read_generation

GENOME = Path(__file__).parents[2] / "genome"


def _generation(root: Path, name: str = "test-1") -> Path:
    place = root / "nix/store" / name
    skip = shutil.ignore_patterns("zooids", "operons")
    shutil.copytree(GENOME, place / "genome", ignore=skip)
    for part in ("zooids", "operons"):
        shutil.copytree(GENOME / part, place / part)
    return place


@pytest.fixture
def loader(root: Path, service: Any) -> Any:
    _generation(root)
    return service("operon-loader", {})


def test_the_identity_is_the_canonical_hash_of_the_generation(loader: Any, root: Path) -> None:
    reply = loader.client.get("/v1/identity").json()
    expected = read_generation(root / "nix/store/test-1")
    assert reply["hash"] == expected.hash
    assert reply["parts"] == {name: part.hash for name, part in expected.parts.items()}
    assert reply["operon_versions"] == {"knowledge": "v1", "math": "v1", "orchestration": "v2"}
    assert list(reply["zooid_versions"]) == ["00-operator", "01-standing-orders", "04-security"]
    assert reply["generation"] == "test-1"


def test_genome_zooids_and_operons_can_be_read(loader: Any) -> None:
    genome = loader.client.get("/v1/genome").json()
    assert genome["standing_orders"].startswith("# Standing orders")
    assert "templates/handoff.md" in [file["path"] for file in genome["files"]]
    zooids = loader.client.get("/v1/zooids").json()["zooids"]
    assert all(zooid["text"] and zooid["tokens"] <= zooid["budget_tokens"] for zooid in zooids)
    operons = loader.client.get("/v1/operons").json()
    assert operons["problems"] == []
    for operon in operons["operons"]:
        whole = loader.client.get(f"/v1/operons/{operon['name']}").json()
        assert whole["text"].startswith("# ")


def test_a_match_says_what_loads_and_why(loader: Any) -> None:
    body = {"text": "Remember what 17 * 23 is"}
    reply = loader.client.post("/v1/operons/match", json=body).json()
    reasons = {operon["name"]: operon["reasons"] for operon in reply["loaded"]}
    assert set(reasons) == {"knowledge", "math"}
    assert reasons["math"] == [
        {
            "kind": "pattern",
            "trigger": reasons["math"][0]["trigger"],
            "found": "7 * 2",
            "offset": 15,
        }
    ]
    assert reasons["knowledge"] == [
        {"kind": "word", "trigger": "remember", "found": "Remember", "offset": 0}
    ]


def test_what_does_not_fit_the_budget_is_left_out_and_named(loader: Any) -> None:
    body = {"text": "Remember what 17 * 23 is", "budget_tokens": 700}
    reply = loader.client.post("/v1/operons/match", json=body).json()
    assert [operon["name"] for operon in reply["loaded"]] == ["math"]
    assert [operon["name"] for operon in reply["left_out"]] == ["knowledge"]
    assert reply["tokens"] <= reply["budget_tokens"] == 700


def test_a_text_that_loads_nothing_is_an_empty_answer(loader: Any) -> None:
    reply = loader.client.post("/v1/operons/match", json={"text": "Good morning!"}).json()
    assert reply["loaded"] == reply["left_out"] == []


@pytest.mark.parametrize(
    ("method", "path", "content", "outcome"),
    [
        ("GET", "/v1/operons/none", b"", (404, "identity.no_such_operon")),
        ("GET", "/v1/operons/..%2f..%2fetc", b"", (404, "request.no_such_route")),
        ("POST", "/v1/operons/match", b'{"text": "a", "x": 1}', (422, "request.invalid")),
        ("POST", "/v1/operons/match", b'{"text": "\\ud800"}', (422, "request.invalid")),
        ("POST", "/v1/operons/match", b'{"text": "\xff"}', (400, "request.refused")),
        (
            "POST",
            "/v1/operons/match",
            b'{"text": "%s"}' % (b"a" * 200_001),
            (422, "request.invalid"),
        ),
        ("POST", "/v1/operons/match", b"[" * 100_000, (400, "request.refused")),
        ("POST", "/v1/operons/match", b"x" * (9 << 20), (413, "request.too_large")),
    ],
)
def test_bad_requests_are_refused_with_a_code(
    loader: Any, method: str, path: str, content: bytes, outcome: tuple[int, str]
) -> None:
    headers = {"content-type": "application/json"}
    reply = loader.client.request(method, path, content=content, headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == outcome
    assert loader.client.get("/v1/identity").status_code == 200


def test_a_hostile_text_is_matched_in_bounded_time(loader: Any) -> None:
    text = ("what is " + "a" * 50 + " ") * 3000
    reply = loader.client.post("/v1/operons/match", json={"text": text}, timeout=5)
    assert reply.status_code == 200


def test_a_broken_operon_degrades_and_the_others_serve(root: Path, service: Any) -> None:
    place = _generation(root)
    broken = place / "operons/math/OPERON.md"
    broken.write_text(broken.read_text().replace("version: v1", "version: one"))
    loader = service("operon-loader", {})
    health = loader.client.get("/healthz?deep=1").json()
    assert health["state"] == "degraded"
    details = [check["detail"] for check in health["checks"] if not check["ok"]]
    assert "operons/math/OPERON.md: version: " in details[0]
    problems = loader.client.get("/v1/operons").json()["problems"]
    assert [problem["key"] for problem in problems] == ["version"]
    reply = loader.client.post("/v1/operons/match", json={"text": "remember"}).json()
    assert [operon["name"] for operon in reply["loaded"]] == ["knowledge"]


def test_without_a_genome_it_fails_honestly(service: Any) -> None:
    loader = service("operon-loader", {})
    assert loader.client.get("/healthz").status_code == 503
    reply = loader.client.get("/v1/identity")
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "identity.unavailable")


def test_a_reload_serves_the_new_generation(loader: Any, root: Path) -> None:
    before = loader.client.get("/v1/identity").json()
    changed = _generation(root, "test-2") / "operons/math/OPERON.md"
    changed.write_text(changed.read_text().replace("version: v1", "version: v2"))
    loader.configure({}, "test-2")
    assert loader.client.get("/v1/identity").json() == before
    loader.reload()
    after = loader.client.get("/v1/identity").json()
    assert after["generation"] == "test-2"
    assert after["operon_versions"]["math"] == "v2"
    assert after["hash"] != before["hash"]


def test_health_is_ok_with_the_starter_genome(loader: Any) -> None:
    health = loader.client.get("/healthz?deep=1").json()
    assert health["state"] == "ok"
    assert {check["name"] for check in health["checks"]} == {"identity", "parts", "triggers"}
