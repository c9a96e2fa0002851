"""An instance adds operons from a registry through the egress door: shown, confirmed, undone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.services.registry.conftest import GENOME

EXTRA = """---
name: garden
version: v{version}
description: When to water what.
budget_tokens: 100
capabilities: [{capabilities}]
triggers: {{words: [water the garden, tomatoes]}}
---
# Garden

Water in the morning.
"""
TESTS = """loads: [water the garden, my tomatoes, Tomatoes!]
does_not_load: [hello, the gardener called, tomato]
"""


@pytest.fixture
def garden(tmp_path: Path) -> Any:
    """Writes a version of an operon that is in no genome."""

    def write(version: int, capabilities: str = "tools.bash", tests: str = TESTS) -> Path:
        folder = tmp_path / f"v{version}/garden"
        folder.mkdir(parents=True, exist_ok=True)
        text = EXTRA.format(version=version, capabilities=capabilities)
        (folder / "OPERON.md").write_text(text)
        (folder / "tests.yaml").write_text(tests)
        return folder

    return write


@pytest.fixture
def loader(root: Path, service: Any, site: Any, garden: Any) -> Any:
    """A loader with the starter genome, the API proxy's door, and a registry behind it."""
    for part in ("meso/zooids", "meso/operons", "var/lib/meso/api-proxy"):
        (root / part).mkdir(parents=True)
    place = root / "nix/store/test-1"
    shutil.copytree(GENOME, place / "genome", ignore=shutil.ignore_patterns("zooids", "operons"))
    for part in ("zooids", "operons"):
        shutil.copytree(GENOME / part, place / part)
    site.publish(garden(1))
    host = urlsplit(site.url)
    door = {"egress": {"allow": [host.netloc], "networks": ["127.0.0.0/8"]}}
    service("api-proxy", door)
    registry = {"url": site.url, "root_sha256": site.repository.root_sha256()}
    return service("operon-loader", {"registry": registry})


def plan(loader: Any, **request: Any) -> dict[str, Any]:
    reply = loader.client.post("/v1/changes/plan", json=request)
    assert reply.status_code == 200, reply.text
    shown: dict[str, Any] = reply.json()
    return shown


def change(loader: Any, **request: Any) -> dict[str, Any]:
    """Look at the plan, then do it."""
    reply = loader.client.post(
        "/v1/changes", json={**request, "plan": plan(loader, **request)["plan"]}
    )
    assert reply.status_code == 200, reply.text
    done: dict[str, Any] = reply.json()
    return done


def refused(loader: Any, **request: Any) -> tuple[int, str]:
    reply = loader.client.post("/v1/changes/plan", json=request)
    return reply.status_code, reply.json()["error"]["code"]


def loaded(loader: Any, text: str = "water the garden") -> dict[str, str]:
    reply = loader.client.post("/v1/operons/load", json={"text": text}).json()
    return {found["name"]: found["text"] for found in reply["texts"]}


def test_search_add_update_remove_and_undo(loader: Any, site: Any, garden: Any) -> None:
    listed = loader.client.get("/v1/registry", params={"q": "WATER when"}).json()
    assert [(o["name"], o["version"], o["here"]) for o in listed["operons"]] == [
        ("garden", "v1", None)
    ]
    before = loader.client.get("/v1/identity").json()
    shown = plan(loader, action="add", name="garden")
    assert shown["capabilities"] == [{"name": "tools.bash", "new": True}]
    assert "+# Garden" in shown["diff"]
    assert loader.client.get("/v1/identity").json() == before
    done = change(loader, action="add", name="garden")
    after = loader.client.get("/v1/identity").json()
    assert done["identity"] == after["hash"] != before["hash"]
    assert loaded(loader)["garden"].startswith("# Garden")
    site.publish(garden(2, "tools.bash, memory.write"))
    shown = plan(loader, action="update", name="garden")
    assert (shown["from_version"], shown["to_version"]) == ("v1", "v2")
    assert [c["name"] for c in shown["capabilities"] if c["new"]] == ["memory.write"]
    change(loader, action="update", name="garden")
    loader.restart()
    assert loader.client.get("/v1/operons/garden").json()["version"] == "v2"
    change(loader, action="remove", name="garden")
    assert loaded(loader) == {}
    for version in ("v2", "v1"):
        change(loader, action="undo")
        assert loader.client.get("/v1/operons/garden").json()["version"] == version
    change(loader, action="undo")
    assert loader.client.get("/v1/identity").json()["hash"] == before["hash"]
    assert refused(loader, action="undo") == (409, "operon.nothing_to_undo")


def test_nothing_changes_without_the_plan_that_was_shown(
    loader: Any, site: Any, garden: Any
) -> None:
    request = {"action": "add", "name": "garden"}
    reply = loader.client.post("/v1/changes", json=request)
    assert reply.json()["error"]["code"] == "operon.not_confirmed"
    old = plan(loader, **request)["plan"]
    site.publish(garden(2))
    reply = loader.client.post("/v1/changes", json={**request, "plan": old})
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "operon.plan_changed")
    assert loaded(loader) == {}


def test_a_lazy_operon_counts_at_once_and_its_text_comes_when_called(
    loader: Any, site: Any
) -> None:
    change(loader, action="add", name="garden", lazy=True)
    identity = loader.client.get("/v1/identity?files=true").json()
    assert "garden/OPERON.md" in identity["files"]["operons"]
    assert loaded(loader)["garden"].startswith("# Garden")
    shutil.rmtree(site.repository.directory / "metadata")  # the registry is gone
    loader.restart()
    assert loaded(loader)["garden"].startswith("# Garden")
    assert loader.client.get("/v1/identity").json()["hash"] == identity["hash"]


def test_a_lazy_operon_that_cannot_be_brought_is_left_out_and_said_so(
    loader: Any, site: Any, root: Path
) -> None:
    change(loader, action="add", name="garden", lazy=True)
    for cached in (root / "meso/operons/.registry").glob("*/cache/*"):
        cached.unlink()
    shutil.rmtree(site.repository.directory / "targets")
    reply = loader.client.post("/v1/operons/load", json={"text": "water the garden"}).json()
    assert reply["texts"] == []
    assert reply["tokens"] == 0
    assert reply["left_out"][0]["note"].startswith("registry.incomplete: ")
    assert loader.client.get("/v1/operons/garden").status_code == 502


def test_what_may_not_be_added_or_removed(loader: Any, site: Any, garden: Any, root: Path) -> None:
    assert refused(loader, action="add", name="none") == (404, "registry.no_such_operon")
    assert refused(loader, action="add") == (422, "operon.no_name")
    assert refused(loader, action="remove", name="none") == (404, "identity.no_such_operon")
    assert refused(loader, action="remove", name="math") == (409, "operon.of_the_generation")
    assert refused(loader, action="update", name="math") == (409, "operon.not_of_the_registry")
    shutil.copytree(garden(1), root / "meso/operons/garden")
    loader.reload()
    assert refused(loader, action="add", name="garden") == (409, "operon.own_folder")
    change(loader, action="remove", name="garden")
    change(loader, action="add", name="garden")
    assert refused(loader, action="add", name="garden") == (409, "operon.up_to_date")
    assert refused(loader, action="update", name="garden") == (409, "operon.up_to_date")


def test_requirements_must_be_here(loader: Any, site: Any, tmp_path: Path, garden: Any) -> None:
    folder = garden(3)
    text = (folder / "OPERON.md").read_text()
    (folder / "OPERON.md").write_text(text.replace("triggers:", "requires: [tools]\ntriggers:"))
    site.publish(folder)
    assert refused(loader, action="add", name="garden") == (409, "operon.requires_missing")
    assert plan(loader, action="add", name="garden", version="v1")["to_version"] == "v1"


def test_a_local_edit_of_an_added_operon_is_shown_before_it_is_replaced(
    loader: Any, site: Any, garden: Any, root: Path
) -> None:
    change(loader, action="add", name="garden")
    file = root / "meso/operons/garden/OPERON.md"
    file.write_text(file.read_text().replace("morning", "evening"))
    loader.reload()
    assert "evening" in loaded(loader)["garden"]
    site.publish(garden(2))
    shown = plan(loader, action="update", name="garden")
    assert "-Water in the evening." in shown["diff"]
    assert any("local edits" in warning for warning in shown["warnings"])
    change(loader, action="update", name="garden")
    change(loader, action="undo")
    assert "evening" in loaded(loader)["garden"]


def test_an_attack_is_refused_through_the_service_and_it_stays_up(loader: Any, site: Any) -> None:
    old = site.file("timestamp.json").read_bytes()
    site.repository.refresh()
    assert loader.client.get("/v1/registry").status_code == 200
    site.file("timestamp.json").write_bytes(old)
    reply = loader.client.get("/v1/registry")
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "registry.rollback")
    assert loader.client.get("/healthz").json()["state"] == "ok"


def test_without_leave_of_the_door_nothing_is_reached(
    root: Path, loader: Any, service: Any
) -> None:
    place = root / "nix/store/test-1/config/operon-loader.json"
    settings = json.loads(place.read_text())
    settings["registry"]["url"] = "http://127.0.0.1:9"
    place.write_text(json.dumps(settings))
    loader.reload()
    reply = loader.client.get("/v1/registry").json()["error"]
    assert reply["code"] == "registry.unreachable"
    assert "egress" in reply["message"]


def test_without_a_registry_it_says_so(root: Path, service: Any) -> None:
    loader = service("operon-loader", {})
    reply = loader.client.get("/v1/registry")
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "registry.not_configured")
