"""What an operator is told about a file with mistakes in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from meso_services.config.load import load, loads
from meso_services.config.mistakes import ConfigError, Mistake

BASE = """\
schema = 1
hostname = "reef"
board = "vps"
system = "x86_64-linux"
"""


def mistakes(text: str) -> list[Mistake]:
    with pytest.raises(ConfigError) as caught:
        loads(text, "reef.toml")
    return caught.value.mistakes


def only(text: str) -> Mistake:
    found = mistakes(text)
    assert len(found) == 1, [each.text() for each in found]
    return found[0]


def test_the_shortest_file_is_enough() -> None:
    appliance = loads(BASE)
    assert appliance.hostname == "reef"
    assert appliance.network.interfaces["wired"].dhcp is True


def test_an_unknown_key_is_placed_and_the_nearest_one_named() -> None:
    found = only(BASE + '[users.operator]\nssh_key = ["x"]\n')
    assert (found.code, found.key) == ("config.unknown_key", "users.operator.ssh_key")
    assert (found.line, found.column) == (6, 1)
    assert found.nearest == "users.operator.ssh_keys"
    assert found.allowed == "in [users.operator]: ssh_keys"


def test_a_key_in_the_wrong_table_is_found_by_its_name() -> None:
    assert only(BASE + "mdns = true\n").nearest == "network.mdns"


def test_an_unknown_service_is_an_unknown_key() -> None:
    found = only(BASE + "[services.mindrunner]\n")
    assert (found.key, found.nearest) == ("services.mindrunner", "services.mind_runner")


def test_all_mistakes_come_at_once_in_the_file_s_order() -> None:
    text = BASE.replace("reef", "Reef_") + 'x = 1\n[storage]\nroot_size = "9"\n[boot]\ny = 2\n'
    assert [each.key for each in mistakes(text)] == ["hostname", "x", "storage.root_size", "boot.y"]


def test_missing_keys_are_all_named() -> None:
    assert [(each.code, each.key) for each in mistakes("")] == [
        ("config.missing_key", key) for key in ("schema", "hostname", "board", "system")
    ]
    assert mistakes("")[2].allowed.startswith('"x86-minipc", "vps"')


@pytest.mark.parametrize(
    ("line", "key", "allowed"),
    [
        ('hostname = "-reef"', "hostname", "RFC 1123"),
        ('hostname = "reef.example.org"', "hostname", "without a domain"),
        ('hostname = "localhost"', "hostname", "RFC 1123"),
        ('board = "toaster"', "board", '"raspberry-pi-5"'),
        ('board = "jetson-orin"', "system", '"aarch64-linux"'),
        ('base = "arch"', "base", '"debian"'),
        ('locale = "de_DE.UTF-8"', "locale", '"C.UTF-8"'),
        ('timezone = "Mars/Olympus"', "timezone", "tz database"),
        ("schema = 2", "schema", "1"),
        ("boot.menu_seconds = 601", "boot.menu_seconds", "at most 600"),
        ("boot.menu_seconds = -1", "boot.menu_seconds", "at least 0"),
        ('storage.root_size = "512"', "storage.root_size", "512M"),
        ('storage.root_size = "0.5G"', "storage.root_size", "a whole number"),
        ('storage.esp_size = "32M"', "storage.esp_size", "128M to 4G"),
        ('storage.esp_size = "1500000K"', "storage.esp_size", "in steps of 1M"),
        ('storage.disk_size = "1G"', "storage.disk_size", "at least 1422M"),
        ('network.dns = ["nine"]', "network.dns[0]", "192.0.2.1"),
        ('network.ntp = ["a b"]', "network.ntp[0]", "ntp.example.org"),
        ('firewall.ssh_from = ["10.0.0.1/8"]', "firewall.ssh_from[0]", "192.0.2.0/24"),
        ('network.interfaces.Lan.name = "x"', "network.interfaces.Lan", "lower-case"),
        ('network.interfaces.lan.mac = "1:2"', "network.interfaces.lan.mac", "52:54:00:12:34:56"),
        (
            "network.interfaces.lan.dhcp = false",
            "network.interfaces.lan.addresses",
            "or dhcp = true",
        ),
        (
            'network.interfaces.lan = {addresses = ["10.0.0.2/24"], gateways = ["10.1.0.1"]}',
            "network.interfaces.lan.gateways",
            "10.0.0.0/24",
        ),
        (
            'network.interfaces.lan.addresses = ["10.0.0.2"]',
            "network.interfaces.lan.addresses[0]",
            "192.0.2.10/24",
        ),
    ],
)
def test_a_value_that_is_not_allowed_says_what_is(line: str, key: str, allowed: str) -> None:
    name = line.partition(" = ")[0]
    kept = [each for each in BASE.splitlines() if not each.startswith(f"{name} ")]
    found = only("\n".join([line, *kept]))
    assert (found.code, found.key, found.line) == (
        "config.value",
        key,
        4 if key == "system" else 1,
    )
    assert allowed in found.allowed
    assert found.found


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("hostname = 5", "text in quotes"),
        ("network.mdns = 1", "true or false"),
        ('boot.menu_seconds = "3"', "a whole number"),
        ("boot.menu_seconds = 3.5", "a whole number"),
        ('users.operator.ssh_keys = "k"', "a list"),
        ("users = 5", "a table"),
        ("hostname = 2026-11-21", "Put text in quotes"),
        ("hostname = 07:32:00", "Put text in quotes"),
        ("boot.menu_seconds = nan", "finite number"),
        ("boot.menu_seconds = inf", "finite number"),
        ("network.dns = [2026-11-21]", "Put text in quotes"),
    ],
)
def test_a_wrong_type_says_the_right_one(line: str, what: str) -> None:
    name = line.partition(" = ")[0]
    kept = [each for each in BASE.splitlines() if not each.startswith(f"{name} ")]
    found = only("\n".join([line, *kept]))
    assert (found.code, found.line) == ("config.type", 1)
    assert what in found.message


def test_a_wrong_board_suggests_the_right_spelling() -> None:
    assert only(BASE.replace('"vps"', '"raspberry-pi4"')).nearest == '"raspberry-pi-4"'


@pytest.mark.parametrize(
    ("text", "code", "line", "says"),
    [
        ('a = "x', "config.syntax", 1, "broken TOML"),
        ("schema = 1\n[users\n", "config.syntax", 2, "broken TOML"),
        ("schema =", "config.syntax", 1, "broken TOML"),
        ("schema = 1\nschema = 2\n", "config.duplicate", 2, "stands twice"),
        ("[boot]\n[boot]\n", "config.duplicate", 2, "stands twice"),
        ("a = " + "[" * 20000, "config.syntax", None, "nested too deeply"),
        ("a = " + "9" * 5000, "config.syntax", None, "out of range"),
        ('a = "\x00"', "config.syntax", 1, "broken TOML"),
    ],
)
def test_broken_toml_shows_the_line(text: str, code: str, line: int | None, says: str) -> None:
    found = only(text)
    assert (found.code, found.line) == (code, line)
    assert says in found.message
    if line:
        assert found.source == text.splitlines()[line - 1]


def test_text_for_people_has_place_finding_and_remedy() -> None:
    with pytest.raises(ConfigError) as caught:
        loads(BASE.replace("vps", "vsp"), "configs/reef.toml")
    assert str(caught.value).splitlines() == [
        "configs/reef.toml:3:1: board: is none of the values allowed",
        '    found: "vsp"',
        '    allowed: "x86-minipc", "vps", "jetson-orin", "raspberry-pi-4", "raspberry-pi-5"',
        '    did you mean: "vps"',
        "    code: config.value",
        "1 mistake",
    ]


def test_a_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "x86-minipc.toml").write_text(BASE)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "x86-mini.toml")
    assert caught.value.mistakes[0].code == "config.not_found"
    assert caught.value.mistakes[0].nearest == str(tmp_path / "x86-minipc.toml")


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    for path in (tmp_path, tmp_path / "pipe.toml"):
        with pytest.raises(ConfigError) as caught:
            load(path)
        assert caught.value.mistakes[0].code == "config.not_a_file"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b'schema = 1\nhostname = "\xff"\n', "config.encoding"),
        (BASE.encode("utf-16"), "config.encoding"),
        (b"\xef\xbb\xbf" + BASE.encode(), "config.encoding"),
        (b"#" * (1 << 20) + b"\n" + BASE.encode(), "config.too_large"),
    ],
    ids=["latin-1", "utf-16", "byte-order-mark", "huge"],
)
def test_content_that_is_no_configuration(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "reef.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert [each.code for each in caught.value.mistakes] == [code]


@pytest.mark.parametrize("ending", ["\r\n", "\n\n"])
def test_line_endings_of_other_systems_are_read(ending: str) -> None:
    assert loads(BASE.replace("\n", ending)).hostname == "reef"


def test_a_secret_in_the_wrong_place_is_not_repeated() -> None:
    """Error messages end up in logs that others read."""
    upstream = '[[services.api_proxy.upstreams]]\nname = "a"\nkind = "openai"\n'
    for line in ('url = "https://me:hunter2@a.example"', 'credential = "hunter2"'):
        with pytest.raises(ConfigError) as caught:
            loads(BASE + upstream + line)
        assert "hunter2" not in str(caught.value)
