"""Where Debian packages come from: the operator's choice, else the host's own apt configuration.

The answer lives only in the private apt root below the cache directory. It is never written into
the repository: lock files name a repository and a path inside it, and no host.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from meso_host.errors import HostError

REPOS = ("debian", "debian-security")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_SUITE = re.compile(
    r"^(bullseye|bookworm|trixie|forky|duke|sid|stable|oldstable|testing|unstable)"
    r"(?P<part>-updates|-security|/updates)?$"
)
_REMEDY = (
    "Set MESO_MIRROR to the address under which a Debian mirror has debian/ and debian-security/, "
    'or write it to ~/.config/meso/host.toml as: mirror = "ADDRESS".'
)


@dataclass(frozen=True)
class Source:
    """One line of a sources.list: a repository's address and one suite of it."""

    repo: str
    uri: str
    suite: str

    def line(self, keyring: Path) -> str:
        """The one-line form, which names the keyring that must have signed it."""
        return f"deb [signed-by={keyring}] {self.uri} {self.suite} main"


@dataclass(frozen=True)
class Entry:
    """What one stanza or line of the host's configuration says, before it is judged."""

    types: tuple[str, ...]
    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str
    enabled: bool = True


def find(suite: str, *, apt_dir: Path = Path("/etc/apt")) -> list[Source]:
    """The sources for `suite`, its updates and its security suite.

    Raises HostError (mirror.none) when neither the operator nor the host's apt names a Debian
    mirror.
    """
    known = bases(apt_dir)
    main = [suite, f"{suite}-updates"]
    sources = [Source("debian", uri, part) for uri in known["debian"] for part in main]
    security = known["debian-security"]
    return sources + [Source("debian-security", uri, f"{suite}-security") for uri in security]


def bases(apt_dir: Path = Path("/etc/apt")) -> dict[str, list[str]]:
    """The addresses of each repository: the operator's choice, else the host's."""
    chosen = operator_mirror()
    return {repo: [f"{chosen}/{repo}"] for repo in REPOS} if chosen else host_bases(apt_dir)


def operator_mirror(env: Mapping[str, str] | None = None) -> str | None:
    """MESO_MIRROR, else `mirror` of ~/.config/meso/host.toml, without a trailing slash."""
    return _choice("MESO_MIRROR", "mirror", os.environ if env is None else env)


def operator_pypi(env: Mapping[str, str] | None = None) -> str | None:
    """MESO_PYPI, else `pypi` of ~/.config/meso/host.toml: a directory that holds the wheels."""
    return _choice("MESO_PYPI", "pypi", os.environ if env is None else env)


def host_bases(apt_dir: Path) -> dict[str, list[str]]:
    """The host's addresses by repository, in the order of its configuration."""
    found: dict[str, list[str]] = {repo: [] for repo in REPOS}
    for entry in _entries(apt_dir):
        if not _is_debian(entry):
            continue
        for suite in entry.suites:
            match = _SUITE.match(suite)
            if match is None:
                continue
            repo = REPOS[1] if match["part"] in ("-security", "/updates") else REPOS[0]
            found[repo] += [u for u in entry.uris if u not in found[repo]]
    if not found["debian"]:
        raise HostError(
            "mirror.none",
            f"No Debian mirror is known: nothing in {apt_dir} names one.",
            remedy=_REMEDY,
        )
    if not found["debian-security"]:
        found["debian-security"] = [_sibling(uri) for uri in found["debian"]]
    return found


def parse_one_line(text: str) -> Iterator[Entry]:
    """Entries of a sources.list file: `deb [options] URI SUITE COMPONENT...`."""
    for raw in text.splitlines():
        line = raw.split("#", 1)[0].strip()
        match = re.match(r"^(deb|deb-src)\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<rest>\S.*)$", line)
        if match is None:
            continue
        uri, *words = match["rest"].split()
        options = dict(o.split("=", 1) for o in (match["options"] or "").split() if "=" in o)
        yield Entry(
            (match[1],),
            (uri.rstrip("/"),),
            tuple(words[:1]),
            tuple(words[1:]),
            options.get("signed-by", ""),
        )


def parse_deb822(text: str) -> Iterator[Entry]:
    """Entries of a .sources file (deb822 stanzas)."""
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in (" ", "\t") and name:
                fields[name] += "\n" + line.strip()
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        if "uris" in fields:
            yield _stanza(fields)


def _stanza(fields: Mapping[str, str]) -> Entry:
    return Entry(
        tuple(fields.get("types", "deb").split()),
        tuple(uri.rstrip("/") for uri in fields["uris"].split()),
        tuple(fields.get("suites", "").split()),
        tuple(fields.get("components", "").split()),
        fields.get("signed-by", ""),
        fields.get("enabled", "yes").lower() not in ("no", "false", "0", "off"),
    )


def _entries(apt_dir: Path) -> Iterator[Entry]:
    parts = sorted((apt_dir / "sources.list.d").glob("*")) if apt_dir.is_dir() else []
    for path in [apt_dir / "sources.list", *parts]:
        if not path.is_file():
            continue
        if path.suffix == ".list":
            yield from parse_one_line(path.read_text(errors="replace"))
        elif path.suffix == ".sources":
            yield from parse_deb822(path.read_text(errors="replace"))


def _is_debian(entry: Entry) -> bool:
    """Other vendors use Debian's suite names too; a key of their own gives them away."""
    signed = entry.signed_by
    ours = not signed or "debian-archive" in signed
    return entry.enabled and "deb" in entry.types and "main" in entry.components and ours


def _sibling(uri: str) -> str:
    """Where a mirror that has Debian usually keeps the security suite; apt checks the signature."""
    head, slash, last = uri.rpartition("/")
    return f"{head}{slash}debian-security" if last == "debian" else f"{uri}-security"


def _choice(variable: str, key: str, env: Mapping[str, str]) -> str | None:
    value = env.get(variable)
    path = Path(env.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "meso" / "host.toml"
    if not value and path.is_file():
        value = _read(path).get(key)
    return value.rstrip("/") if value else None


def _read(path: Path) -> dict[str, str]:
    try:
        data = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HostError(
            "host-config.broken", f"{path}: {error}", remedy="Correct the file."
        ) from error
    for key, value in data.items():
        if key not in ("mirror", "pypi") or not isinstance(value, str):
            raise HostError(
                "host-config.key",
                f"{path}: `{key}` is not a key of this file.",
                remedy="Allowed are: mirror, pypi (both text).",
            )
    return data
