"""Licences as the packages themselves declare them, in SPDX's words.

Debian's machine-readable copyright files use short names of their own; Python's metadata has an
SPDX expression, a free text, or a classifier. What has no SPDX name becomes a LicenseRef with the
text that was found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.parser import HeaderParser

NONE = "NOASSERTION"

_GNU = re.compile(r"^(A?GPL|LGPL|GFDL(?:-NIV)?)-(\d(?:\.\d)?)(\+?)$")
_SAME = {
    name.lower(): name
    for name in [
        *("0BSD", "AFL-2.1", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSD-4-Clause"),
        *("BSD-4-Clause-UC", "BSL-1.0", "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0"),
        *("curl", "FSFAP", "FSFUL", "FSFULLR", "FTL", "HPND", "ICU", "ISC", "MIT", "MIT-0"),
        *("MPL-1.1", "MPL-2.0", "NTP", "OFL-1.1", "OpenSSL", "PSF-2.0", "Python-2.0", "TCL"),
        *("Unlicense", "W3C", "X11", "Zlib", "bzip2-1.0.6"),
    ]
}
_OTHER = {
    "expat": "MIT",
    "mit/x11": "MIT",
    "boost": "BSL-1.0",
    "boost-1.0": "BSL-1.0",
    "cc0": "CC0-1.0",
    "artistic": "Artistic-1.0-Perl",
    "bsd-3-clauses": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd-2-clauses": "BSD-2-Clause",
    "bsd-4-clause-uc": "BSD-4-Clause-UC",
    "edl-1.0": "BSD-3-Clause",
    "mpl-2": "MPL-2.0",
    "apache-2": "Apache-2.0",
    "psf": "PSF-2.0",
}
_CLASSIFIER = {
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
}


@dataclass
class Texts:
    """Licences without an SPDX name: reference → (name, text)."""

    found: dict[str, tuple[str, str]] = field(default_factory=dict)

    def reference(self, name: str, text: str) -> str:
        """The LicenseRef for a name; texts that differ get references of their own."""
        stem = "LicenseRef-" + (re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-") or "unnamed")
        said = text.strip() or f"The package names the licence `{name}` and gives no text."
        number = 1
        while True:
            key = stem if number == 1 else f"{stem}-{number}"
            if self.found.setdefault(key, (name, said)) == (name, said):
                return key
            number += 1


def spdx_name(name: str) -> str | None:
    """The SPDX identifier of a licence's short name, None where there is none."""
    plain = name.strip()
    gnu = _GNU.match(plain)
    if gnu:
        family, version, later = gnu.groups()
        invariants = "-no-invariants" if family == "GFDL-NIV" else ""
        full = version if "." in version else f"{version}.0"
        end = "or-later" if later else "only"
        return f"{family.removesuffix('-NIV')}-{full}{invariants}-{end}"
    return _SAME.get(plain.lower()) or _OTHER.get(plain.lower())


def of_debian(copyright_text: str, texts: Texts) -> str:
    """The expression of a copyright file: every licence that any of its files is under."""
    stanzas = [_fields(part) for part in re.split(r"\n\s*\n", copyright_text.strip())]
    if not stanzas or "copyright-format" not in stanzas[0].get("format", ""):
        return NONE
    bodies = {}
    for stanza in stanzas:
        name, _, body = stanza.get("license", "").partition("\n")
        if body.strip():
            bodies[name.strip()] = body
    names = {
        s["license"].partition("\n")[0].strip() for s in stanzas if "files" in s and "license" in s
    }
    parts = sorted({_expression(name, bodies, texts) for name in names if name})
    return " AND ".join(_bracketed(parts)) if parts else NONE


def of_python(metadata: str, texts: Texts) -> str:
    """The expression of a distribution's METADATA."""
    fields: Message = HeaderParser().parsestr(metadata)
    expression = fields.get("License-Expression")
    if expression:
        return str(expression)
    said = str(fields.get("License") or "").strip()
    if said and "\n" not in said and len(said) < 40:
        return spdx_name(said) or texts.reference(f"{fields['Name']}-{said}", said)
    for classifier in fields.get_all("Classifier") or []:
        if classifier in _CLASSIFIER:
            return _CLASSIFIER[classifier]
    return texts.reference(str(fields["Name"]), said) if said else NONE


def _expression(name: str, bodies: Mapping[str, str], texts: Texts) -> str:
    """`GPL-2+ or Artistic, and MIT` → SPDX. In Debian's format a comma binds weakest."""
    groups = [part for part in re.split(r",\s*(?:and\s+)?", name) if part]
    if len(groups) > 1:
        return " AND ".join(_bracketed(_expression(g, bodies, texts) for g in groups))
    for word in ("or", "and"):
        parts = re.split(rf"\s+{word}\s+", groups[0])
        if len(parts) > 1:
            joined = (_expression(p, bodies, texts) for p in parts)
            return f" {word.upper()} ".join(_bracketed(joined))
    return spdx_name(groups[0]) or texts.reference(groups[0], bodies.get(groups[0], ""))


def _bracketed(parts: Iterable[str]) -> list[str]:
    """Expressions that can be joined: those that are joined themselves stand in brackets."""
    return [f"({part})" if " " in part else part for part in parts]


def _fields(stanza: str) -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t") and name:
            found[name] += "\n" + ("" if line.strip() == "." else line.strip())
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            found[name] = value.strip()
    return found
