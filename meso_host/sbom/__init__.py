"""`./meso sbom NAME`: an SPDX 2.3 document of what is in a built image.

SPDX because it is an ISO standard, states licences as expressions, and is read by every common
scanner; Debian's and Python's declarations map onto it without loss.
"""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from meso_host.sbom import image, licences
from meso_host.sbom.image import Image, Part
from meso_host.sbom.licences import NONE, Texts

_DOCUMENT = "SPDXRef-DOCUMENT"
_IMAGE = "SPDXRef-Image"
_SPACE = uuid.UUID("6d65736f-0000-5000-8000-73626f6d0000")


def document(directory: Path, *, epoch: int, suite: str = "trixie") -> dict[str, Any]:
    """The document for the image in `directory`; equal images give equal documents.

    `epoch` is the build's SOURCE_DATE_EPOCH in seconds. Raises HostError sbom.no-image.
    """
    built = image.read(directory)
    texts = Texts()
    parts = [_part(part, built, texts, suite) for part in built.packages]
    relations = [_relation(_DOCUMENT, "DESCRIBES", _IMAGE)]
    relations += [_relation(_IMAGE, "CONTAINS", part["SPDXID"]) for part in parts]
    facts = built.facts
    unique = f"{facts['name']}/{facts['version']}/{facts['arch']}/{facts['roothash']}"
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": f"meso-os-{facts['name']}-{facts['version']}",
        "documentNamespace": f"urn:uuid:{uuid.uuid5(_SPACE, unique)}",
        "creationInfo": {
            "created": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": [f"Tool: meso-os-{facts['version']}"],
        },
        "packages": [_whole(facts), *parts],
        "hasExtractedLicensingInfos": [
            {"licenseId": key, "name": name, "extractedText": text}
            for key, (name, text) in sorted(texts.found.items())
        ],
        "relationships": relations,
    }


def _whole(facts: dict[str, Any]) -> dict[str, Any]:
    """The image itself; its root hash vouches for every file in it."""
    return {
        "SPDXID": _IMAGE,
        "name": f"meso-os-{facts['name']}",
        "versionInfo": str(facts["version"]),
        "primaryPackagePurpose": "OPERATING-SYSTEM",
        "downloadLocation": NONE,
        "filesAnalyzed": False,
        "licenseConcluded": NONE,
        "licenseDeclared": NONE,
        "copyrightText": NONE,
        "comment": f"Board {facts['board']}, {facts['arch']}; "
        f"dm-verity root hash {facts['roothash']}.",
    }


def _part(part: Part, built: Image, texts: Texts, suite: str) -> dict[str, Any]:
    if part.kind == "deb":
        said = built.copyrights.get(part.name)
        declared = licences.of_debian(said, texts) if said else NONE
        supplier = "Organization: Debian"
        purl = (
            f"pkg:deb/debian/{quote(part.name, safe='')}@{quote(part.version, safe='')}"
            f"?arch={part.arch}&distro={suite}"
        )
    else:
        said = _metadata(part, built)
        declared = licences.of_python(said, texts) if said else NONE
        supplier = NONE
        purl = f"pkg:pypi/{quote(part.name)}@{quote(part.version, safe='')}"
    return {
        "SPDXID": f"SPDXRef-{part.kind}-{re.sub(r'[^A-Za-z0-9.-]', '-', part.name)}",
        "name": part.name,
        "versionInfo": part.version,
        "packageFileName": part.filename.rpartition("/")[2],
        "supplier": supplier,
        "downloadLocation": NONE,
        "filesAnalyzed": False,
        "checksums": [{"algorithm": "SHA256", "checksumValue": part.sha256}],
        "licenseConcluded": NONE,
        "licenseDeclared": declared,
        "copyrightText": NONE,
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": purl,
            }
        ],
    }


def _metadata(part: Part, built: Image) -> str | None:
    """A distribution's METADATA; its directory spells the name in its own way."""
    wanted = f"{part.name}-{part.version}.dist-info"
    for name, text in built.metadata.items():
        if re.sub(r"[-_.]+", "-", name).lower() == re.sub(r"[-_.]+", "-", wanted).lower():
            return text
    return None


def _relation(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
