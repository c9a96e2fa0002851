"""The operon loader says who the instance is and why an operon loads."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from meso_host.setup import model as files
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
    names = {check["name"] for check in health["checks"]}
    assert names == {"identity", "parts", "zooids", "registry", "triggers"}


@pytest.fixture
def own_loader(root: Path, service: Any) -> Any:
    """A loader with directories of its own, as on an appliance."""
    for part in ("zooids", "operons"):
        (root / "meso" / part).mkdir(parents=True)
    _generation(root)
    return service("operon-loader", {})


OPERATOR = "04-security"


def test_without_changes_an_instance_has_its_generations_identity(own_loader: Any) -> None:
    reply = own_loader.client.get("/v1/identity?files=true").json()
    assert reply["hash"] == reply["declared"]
    assert (reply["local"], reply["conflicts"]) == ([], [])
    assert "00-operator.md" in reply["files"]["zooids"]
    assert "math/OPERON.md" in reply["files"]["operons"]


def test_a_local_edit_is_part_of_the_identity_and_survives_an_update(
    own_loader: Any, root: Path
) -> None:
    client = own_loader.client
    before = client.get("/v1/identity").json()
    copies = client.get("/v1/zooids/copies").json()["copies"]
    mine = next(copy["mine"] for copy in copies if copy["name"] == OPERATOR)
    edited = mine.replace("# Security", "# Security, at home")
    reply = client.put(f"/v1/zooids/{OPERATOR}", json={"text": edited})
    assert (reply.status_code, reply.json()["state"]) == (200, "edited")
    after = client.get("/v1/identity").json()
    assert after["declared"] == before["hash"] != after["hash"]
    assert after["local"] == [{"part": "zooids", "path": f"{OPERATOR}.md", "change": "changed"}]
    update = _generation(root, "test-2") / f"zooids/{OPERATOR}.md"
    update.write_text(update.read_text().replace("version: v1", "version: v2"))
    own_loader.configure({}, "test-2")
    own_loader.reload()
    zooids = {z["name"]: z for z in client.get("/v1/zooids").json()["zooids"]}
    assert zooids[OPERATOR]["version"] == "v2"
    assert zooids[OPERATOR]["text"].startswith("# Security, at home")
    own_loader.restart()
    assert own_loader.client.get("/v1/identity").json()["conflicts"] == []


def test_a_contradiction_is_shown_and_resolved(own_loader: Any, root: Path) -> None:
    client = own_loader.client
    place = root / f"meso/zooids/{OPERATOR}.md"
    place.write_text(place.read_text().replace("# Security", "# Security, mine"))
    update = _generation(root, "test-2") / f"zooids/{OPERATOR}.md"
    update.write_text(update.read_text().replace("# Security", "# Security, theirs"))
    own_loader.configure({}, "test-2")
    own_loader.reload()
    assert client.get("/v1/identity").json()["conflicts"] == [OPERATOR]
    health = client.get("/healthz").json()
    assert health["state"] == "degraded"
    copies = client.get("/v1/zooids/copies").json()["copies"]
    (found,) = (copy for copy in copies if copy["state"] == "conflict")
    assert found["contradictions"][0]["theirs"] == "# Security, theirs\n"
    resolved = client.post(f"/v1/zooids/{OPERATOR}/resolve", json={"keep": "theirs"}).json()
    assert resolved["state"] == "deployed"
    identity = client.get("/v1/identity").json()
    assert (identity["conflicts"], identity["hash"]) == ([], identity["declared"])


@pytest.mark.parametrize(
    ("name", "body", "outcome"),
    [
        ("04-security", {"text": "no front matter"}, (422, "zooid.invalid")),
        ("../x", {"text": "a"}, (404, "request.no_such_route")),
        ("99-none", {"text": None}, (404, "zooid.not_found")),
        ("04-security", {"text": "a", "mine_sha256": "0" * 64}, (409, "zooid.changed_meanwhile")),
    ],
)
def test_an_edit_that_is_none_is_refused(
    own_loader: Any, name: str, body: dict[str, Any], outcome: tuple[int, str]
) -> None:
    reply = own_loader.client.put(f"/v1/zooids/{name}", json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == outcome
    identity = own_loader.client.get("/v1/identity").json()
    assert identity["hash"] == identity["declared"]


def test_a_broken_local_zooid_gives_way_to_the_deployed_one(own_loader: Any, root: Path) -> None:
    (root / f"meso/zooids/{OPERATOR}.md").write_text("garbage")
    own_loader.reload()
    zooids = own_loader.client.get("/v1/zooids").json()["zooids"]
    assert OPERATOR in [zooid["name"] for zooid in zooids]
    identity = own_loader.client.get("/v1/identity").json()
    assert identity["hash"] == identity["declared"]
    assert own_loader.client.get("/healthz").json()["state"] == "degraded"


def test_an_operon_of_the_instance_hides_the_generations(own_loader: Any, root: Path) -> None:
    mine = root / "meso/operons/math"
    shutil.copytree(GENOME / "operons/math", mine)
    text = (mine / "OPERON.md").read_text().replace("version: v1", "version: v7")
    (mine / "OPERON.md").write_text(text)
    own_loader.reload()
    operons = {o["name"]: o for o in own_loader.client.get("/v1/operons").json()["operons"]}
    assert (operons["math"]["version"], operons["math"]["origin"]) == ("v7", "instance")
    assert operons["knowledge"]["origin"] == "generation"
    local = own_loader.client.get("/v1/identity").json()["local"]
    assert [change["path"] for change in local] == ["math/OPERON.md"]


def test_operons_load_with_their_texts(own_loader: Any) -> None:
    body = {"text": "Remember what 17 * 23 is", "now": "2026-11-21T12:00:00+01:00"}
    reply = own_loader.client.post("/v1/operons/load", json=body).json()
    assert [t["name"] for t in reply["texts"]] == [o["name"] for o in reply["loaded"]]
    assert all(t["text"].startswith("# ") for t in reply["texts"])


def test_a_file_of_the_genome_can_be_read_and_none_outside(own_loader: Any) -> None:
    get = own_loader.client.get
    assert "# " in get("/v1/genome/files/templates/handoff.md").json()["text"]
    for path in ("zooids/00-operator.md", "..%2f..%2fmanifest.json", "%2fetc%2fpasswd", ".git"):
        reply = get(f"/v1/genome/files/{path}")
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "identity.no_such_file")


SIMILAR = """---
name: plants
version: v1
description: For a test
budget_tokens: 100
triggers:
  similar: {texts: [how to grow tomatoes and herbs], at_least: 0.35}
---
# Plants
"""
SIMILAR_TESTS = """loads:
  - {text: "My basil plants need water", similar: true}
  - {text: "Vegetables in the garden", similar: true}
  - {text: "Planting seeds", similar: true}
does_not_load: [hello, "17 * 23", Restart the proxy.]
"""


@pytest.fixture
def plants(own_loader: Any, root: Path) -> Any:
    folder = root / "meso/operons/plants"
    folder.mkdir()
    (folder / "OPERON.md").write_text(SIMILAR)
    (folder / "tests.yaml").write_text(SIMILAR_TESTS)
    own_loader.reload()
    return own_loader


def test_a_similar_meaning_loads_by_the_real_model(plants: Any, service: Any) -> None:
    model = files.bring(lambda _: None)
    service("embed", {}, environment={"MESO_MODEL": str(model)})
    wanted = {"text": "My basil plants need water and sun"}
    first = plants.client.post("/v1/operons/match", json=wanted).json()
    assert [o["name"] for o in first["loaded"]] == ["plants"]
    assert first["loaded"][0]["reasons"][0]["kind"] == "similar"
    assert first == plants.client.post("/v1/operons/match", json=wanted).json()
    other = plants.client.post("/v1/operons/match", json={"text": "Restart the proxy."}).json()
    assert (other["loaded"], other["notes"]) == ([], [])


def test_without_the_model_everything_else_is_judged_and_it_says_so(plants: Any) -> None:
    reply = plants.client.post("/v1/operons/match", json={"text": "basil, 17 * 23"}).json()
    assert [o["name"] for o in reply["loaded"]] == ["math"]
    assert reply["notes"][0].startswith("similar meanings were not judged: no answer on")
    assert plants.client.get("/healthz?deep=1").json()["state"] == "ok"


def test_files_tools_tasks_and_time_load_and_say_why(own_loader: Any, root: Path) -> None:
    folder = root / "meso/operons/around"
    folder.mkdir()
    head = (
        SIMILAR.replace("plants", "around")
        .replace(
            "similar: {texts: [how to grow tomatoes and herbs], at_least: 0.35}",
            "{files: ['*.sql'], tools: [mcp__db__*], tasks: [migration*], times: [sat]}",
        )
        .replace("triggers:\n  {", "triggers: {")
    )
    (folder / "OPERON.md").write_text(head)
    (folder / "tests.yaml").write_text(
        "loads: [{files: [a.sql]}, {tools: [mcp__db__query]}, {now: '2026-11-21T10:00'}]\n"
        "does_not_load: [hello, {files: [a.txt]}, {now: '2026-11-20T10:00'}]\n"
    )
    own_loader.reload()
    assert own_loader.client.get("/healthz?deep=1").json()["state"] == "ok"
    body = {
        "text": "Look at x.sql",
        "tools": ["mcp__db__query"],
        "tasks": ["The migrations of May"],
        "now": "2026-11-21T10:00:00+01:00",
    }
    reply = own_loader.client.post("/v1/operons/match", json=body).json()
    kinds = [reason["kind"] for reason in reply["loaded"][0]["reasons"]]
    assert kinds == ["file", "task", "time", "tool"]
