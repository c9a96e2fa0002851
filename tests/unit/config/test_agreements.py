"""Numbers and names that are stated twice, because two languages need them, agree."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zoneinfo
from pathlib import Path

import pytest

from meso_services.activator import keys as activator_keys
from meso_services.config.accounts import UID_OF
from meso_services.config.appliance import Appliance
from meso_services.config.boards import SYSTEM_OF
from meso_services.config.journal import Journal
from meso_services.config.keys import known_keys
from meso_services.config.load import load
from meso_services.config.services import Services
from meso_services.config.ssh_key import TYPES
from meso_services.config.storage import Storage
from meso_services.config.timezones import TIMEZONES
from meso_services.config.users import Users
from meso_services.runtime.sizes import format_size, parse_size

TOP = Path(__file__).resolve().parents[3]
OVERLAY = TOP / "images/debian/overlay"


def test_a_unit_s_limit_is_its_model_s_default() -> None:
    """Only moved limits become drop-ins, so the unit must state the default itself."""
    for name, settings in Services().by_id().items():
        unit = (TOP / f"modules/units/{name}.nix").read_text()
        (stated,) = re.findall(r'memoryMax = "(.*?)"', unit)
        assert parse_size(stated) == settings.memory_max, name


def test_the_journal_s_limit_is_the_model_s_default() -> None:
    text = (OVERLAY / "usr/lib/systemd/journald.conf.d/10-meso.conf").read_text()
    assert f"SystemMaxUse={format_size(Journal().max_size)}\n" in text


def test_the_services_accounts_are_those_of_the_image() -> None:
    users = json.loads((TOP / "images/debian/lock/users.json").read_text())["users"]
    found = {user["name"]: user["uid"] for user in users}
    assert {f"meso-{name}": uid for name, uid in UID_OF.items()}.items() <= found.items()
    assert list(UID_OF) == list(Services().by_id())


def test_the_keys_we_take_are_those_that_sshd_takes() -> None:
    text = (OVERLAY / "etc/ssh/sshd_config").read_text()
    (line,) = re.findall(r"^PubkeyAcceptedAlgorithms (.*)$", text, re.MULTILINE)
    # One RSA key serves two signature algorithms.
    accepted = {"ssh-rsa" if each.startswith("rsa-sha2-") else each for each in line.split(",")}
    assert accepted == set(TYPES) == set(activator_keys.TYPES)
    assert "RequiredRSASize 3072" in text


def test_the_activator_knows_the_model_s_users() -> None:
    assert set(activator_keys.USERS) == set(Users().keys())


def test_time_zones_exist() -> None:
    assert zoneinfo.available_timezones() >= TIMEZONES


@pytest.mark.nix
@pytest.mark.skipif(not shutil.which("nix-instantiate"), reason="needs nix")
@pytest.mark.parametrize("sizes", [{}, {"esp_size": "300M", "root_size": "1023M"}])
def test_the_disk_that_the_model_asks_for_is_the_one_that_nix_lays_out(
    sizes: dict[str, str],
) -> None:
    storage = " ".join(f'{key} = "{value}";' for key, value in sizes.items())
    layout = f'(import {TOP}/images/layout.nix {{ arch = "amd64"; storage = {{ {storage} }}; }})'
    command = ["nix-instantiate", "--eval", "--expr", f"{layout}.diskSize"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    asked = Storage.model_validate_json(json.dumps(sizes)).needed()
    assert int(done.stdout) == asked


def test_every_key_declares_a_scope() -> None:
    for info in known_keys():
        assert info.scope in ("generation", "image", "flash"), info.name


def test_what_a_generation_carries_reads_back_as_the_same_appliance() -> None:
    for path in sorted((TOP / "configs").glob("*.toml")):
        appliance = load(path)
        assert Appliance.model_validate_json(json.dumps(appliance.render())) == appliance


def test_each_board_has_a_file_to_start_from() -> None:
    """An operator's own files beside them are named as the operator likes."""
    for board in SYSTEM_OF:
        assert load(TOP / f"configs/{board}.toml").board == board
