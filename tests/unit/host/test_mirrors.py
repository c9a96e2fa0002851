"""Which mirrors are used: the operator's, else those of the host's apt; never other vendors'."""

from __future__ import annotations

from pathlib import Path

import pytest

from meso_host.errors import HostError
from meso_host.lock import mirrors

DEB822 = """\
Types: deb deb-src
# a remark
URIs: http://near.example/debian/
Suites: bookworm bookworm-updates
Components: main non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://near.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: https://vendor.example/apt
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/vendor.gpg

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""


@pytest.fixture
def apt_dir(tmp_path: Path) -> Path:
    """An empty /etc/apt."""
    (tmp_path / "apt/sources.list.d").mkdir(parents=True)
    return tmp_path / "apt"


def addresses(apt_dir: Path) -> list[tuple[str, str, str]]:
    return [(s.repo, s.uri, s.suite) for s in mirrors.find("trixie", apt_dir=apt_dir)]


def test_stanzas_of_an_older_debian_give_trixie_from_the_same_mirror(apt_dir: Path) -> None:
    """Suites are swapped; a vendor's key, `Enabled: no` and source packages are passed over."""
    (apt_dir / "sources.list.d/debian.sources").write_text(DEB822)
    assert addresses(apt_dir) == [
        ("debian", "http://near.example/debian", "trixie"),
        ("debian", "http://near.example/debian", "trixie-updates"),
        ("debian-security", "http://near.example/debian-security", "trixie-security"),
    ]


def test_one_line_entries_with_options(apt_dir: Path) -> None:
    """The older format, with options and remarks; deb-src and other suites count for nothing."""
    (apt_dir / "sources.list").write_text(
        "deb-src http://src.example/debian trixie main\n"
        "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
        "https://a.example/debian stable main contrib # near\n"
        "deb http://a.example/security stable/updates main\n"
        "deb https://cloud.example/apt cloud-sdk-bookworm main\n"
    )
    assert addresses(apt_dir) == [
        ("debian", "https://a.example/debian", "trixie"),
        ("debian", "https://a.example/debian", "trixie-updates"),
        ("debian-security", "http://a.example/security", "trixie-security"),
    ]


def test_without_a_security_entry_the_sibling_directory_is_taken(apt_dir: Path) -> None:
    """A host on unstable has no security suite; its mirror usually has one next door."""
    (apt_dir / "sources.list").write_text("deb http://a.example/debian sid main\n")
    assert addresses(apt_dir)[-1] == (
        "debian-security",
        "http://a.example/debian-security",
        "trixie-security",
    )


def test_the_operators_mirror_wins(apt_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MESO_MIRROR stands before the host's configuration, whatever that says."""
    (apt_dir / "sources.list.d/debian.sources").write_text(DEB822)
    monkeypatch.setenv("MESO_MIRROR", "http://mine.example/d/")
    assert {uri for _, uri, _ in addresses(apt_dir)} == {
        "http://mine.example/d/debian",
        "http://mine.example/d/debian-security",
    }


def test_the_operators_file_names_the_mirror(apt_dir: Path, tmp_path: Path) -> None:
    """~/.config/meso/host.toml does the same for every run."""
    (tmp_path / "config/meso").mkdir(parents=True)
    (tmp_path / "config/meso/host.toml").write_text('mirror = "http://file.example"\n')
    assert addresses(apt_dir)[0][1] == "http://file.example/debian"


def test_an_unknown_key_in_the_operators_file_is_refused(apt_dir: Path, tmp_path: Path) -> None:
    """A misspelt key must not be passed over in silence."""
    (tmp_path / "config/meso").mkdir(parents=True)
    (tmp_path / "config/meso/host.toml").write_text('miror = "http://file.example"\n')
    with pytest.raises(HostError, match="`miror` is not a key") as caught:
        mirrors.find("trixie", apt_dir=apt_dir)
    assert "mirror, pypi" in caught.value.remedy


def test_a_host_without_debian_is_told_what_to_set(apt_dir: Path) -> None:
    """Another distribution's mirrors are of no use; the error names the variable."""
    (apt_dir / "sources.list").write_text("deb http://u.example/ubuntu noble main\n")
    with pytest.raises(HostError) as caught:
        mirrors.find("trixie", apt_dir=apt_dir)
    assert caught.value.code == "mirror.none"
    assert "MESO_MIRROR" in caught.value.remedy
