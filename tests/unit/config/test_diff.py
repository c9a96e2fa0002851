"""What moves a change from the file to the machine."""

from __future__ import annotations

from meso_services.config.diff import diff
from meso_services.config.keys import scope_of
from meso_services.config.load import loads
from tests.unit.config.test_mistakes import BASE


def changes(old: str, new: str) -> list[tuple[str, object, object, str]]:
    found = diff(loads(BASE + old), loads(BASE + new))
    return [(change.key, change.old, change.new, change.mechanism) for change in found]


def test_equal_files_do_not_differ_however_they_are_written() -> None:
    assert changes("[boot]\nmenu_seconds = 3\n", 'timezone = "UTC"\n') == []


def test_each_scope_has_its_command() -> None:
    new = 'timezone = "Europe/Berlin"\nboot.menu_seconds = 5\nstorage.root_size = "1G"\n'
    assert changes("", new) == [
        ("timezone", "UTC", "Europe/Berlin", "meso rebuild switch"),
        ("storage.root_size", "512M", "1G", "meso flash"),
        ("boot.menu_seconds", 3, 5, "meso os update"),
    ]


def test_tables_of_the_operator_s_own_come_and_go_key_by_key() -> None:
    found = changes("", "[network.interfaces.lan]\n")
    assert ("network.interfaces.lan.dhcp", None, True, "meso rebuild switch") in found
    assert ("network.interfaces.wired.dhcp", True, None, "meso rebuild switch") in found


def test_a_list_is_one_value() -> None:
    ((key, old, new, _),) = changes("", 'network.dns = ["9.9.9.9", "1.1.1.1"]\n')
    assert (key, old, new) == ("network.dns", [], ["9.9.9.9", "1.1.1.1"])


def test_an_array_of_tables_moves_as_one() -> None:
    assert scope_of(("services", "api_proxy", "upstreams")) == "generation"
