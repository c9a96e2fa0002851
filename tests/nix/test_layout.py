"""images/layout.nix: the disk that every image has."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import TOP, Evaluate, NixError

pytestmark = pytest.mark.nix

MIB = 1 << 20
# From the Discoverable Partitions Specification.
ROOT = {
    "amd64": "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
    "arm64": "b921b045-1df0-41c3-af44-4c6f280d3fae",
}


def layout(evaluate: Evaluate, storage: str = "{ }", arch: str = "amd64") -> dict[str, Any]:
    expression = f'import {TOP}/images/layout.nix {{ arch = "{arch}"; storage = {storage}; }}'
    return dict(evaluate(expression))


def test_two_equal_slots_and_state_at_the_end_where_it_can_grow(evaluate: Evaluate) -> None:
    parts = layout(evaluate)["partitions"]
    sizes = {part["name"]: part["size"] for part in parts}
    assert [part["name"] for part in parts][-1] == "state"
    assert sizes["root-a"] == sizes["root-b"]
    assert sizes["verity-a"] == sizes["verity-b"]


def test_the_disk_is_the_sum_of_its_partitions_and_both_tables(evaluate: Evaluate) -> None:
    found = layout(evaluate)
    total = sum(part["size"] for part in found["partitions"])
    assert found["diskSize"] == total + 2 * MIB
    assert all(part["size"] % MIB == 0 for part in found["partitions"])


@pytest.mark.parametrize("size", ["192M", "512M", "1000M", "3G"])
def test_the_hash_tree_of_a_full_slot_fits(evaluate: Evaluate, size: str) -> None:
    parts = layout(evaluate, f'{{ root_size = "{size}"; }}')["partitions"]
    sizes = {part["name"]: part["size"] for part in parts}
    blocks, needed = sizes["root-a"] // 4096, 1
    while blocks > 1:
        blocks = -(-blocks // 128)
        needed += blocks
    assert needed * 4096 <= sizes["verity-a"]


@pytest.mark.parametrize("arch", ROOT)
def test_root_partitions_have_their_processor_s_type(evaluate: Evaluate, arch: str) -> None:
    parts = layout(evaluate, arch=arch)["partitions"]
    assert {p["type_id"] for p in parts if p["name"].startswith("root")} == {ROOT[arch]}


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ('{ esp_size = "lots"; }', 'storage.esp_size: "lots" is no size'),
        ('{ root_size = "12"; }', 'storage.root_size: "12" is no size'),
        ('{ root_size = "100M"; }', "storage.root_size must be at least 192M"),
        ('{ state_size = "1M"; }', "storage.state_size must be at least 64M"),
        ('{ esp_size = "16M"; }', "storage.esp_size must be at least 64M"),
    ],
)
def test_a_size_that_cannot_work_is_refused_by_its_key(
    evaluate: Evaluate, storage: str, said: str
) -> None:
    with pytest.raises(NixError, match=said):
        layout(evaluate, storage)
