"""The bill of materials: every package with hash, purl and its own declaration of licences."""

from __future__ import annotations

import io
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from meso_host import sbom
from meso_host.errors import HostError
from meso_host.sbom import licences
from meso_host.sbom.licences import Texts

COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: tool

Files: *
Copyright: 2001 Somebody
License: GPL-2+ or Artistic, and Expat

Files: odd/*
Copyright: 2002 Somebody Else
License: odd-licence

License: odd-licence
 You may use this on Tuesdays.
 .
 And on no other day.
"""
METADATA = "Metadata-Version: 2.4\nName: Some_Lib\nVersion: 1.2\nLicense-Expression: MIT OR ISC\n"


def notices(files: dict[str, str], links: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
        for name, target in links.items():
            info = tarfile.TarInfo(f"./{name}")
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return out.getvalue()


def package(name: str, kind: str = "deb", **more: str) -> dict[str, str]:
    fields = {"kind": kind, "name": name, "version": "1:2.0+b1", "filename": f"pool/{name}.deb"}
    debian = {"arch": "amd64", "repo": "debian"} if kind == "deb" else {}
    return {**fields, "sha256": "ab" * 32, **debian, **more}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image's directory as the build leaves it."""
    facts = {
        "schema": 1,
        "name": "x86-minipc",
        "version": "0.1.0",
        "arch": "amd64",
        "board": "x86-minipc",
        "roothash": "cd" * 32,
    }
    packages = [
        package("tool"),
        package("libtool-doc"),
        package("silent"),
        package("some-lib", "python", version="1.2", filename="some_lib-1.2-py3-none-any.whl"),
    ]
    (tmp_path / "image.json").write_text(json.dumps(facts))
    (tmp_path / "packages.json").write_text(
        json.dumps({"schema": 1, "arch": "amd64", "packages": packages})
    )
    (tmp_path / "copyrights.tar.gz").write_bytes(
        notices(
            {
                "usr/share/doc/tool/copyright": COPYRIGHT,
                "usr/share/doc/silent/copyright": "Do as you like.\n",
                "usr/share/doc/python/some_lib-1.2.dist-info/METADATA": METADATA,
            },
            {"usr/share/doc/libtool-doc": "tool"},
        )
    )
    return tmp_path


def by_name(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {p["name"]: p for p in document["packages"]}


def complain(document: dict[str, Any]) -> list[str]:
    """What is wrong with a document by SPDX 2.3: required fields, forms and references."""
    wrong = [
        f"document lacks {key}"
        for key in ("spdxVersion", "dataLicense", "SPDXID", "name", "documentNamespace")
        if not document.get(key)
    ]
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document["creationInfo"]["created"]):
        wrong.append("created is no UTC time")
    if not all(
        re.match(r"(Tool|Person|Organization): ", c) for c in document["creationInfo"]["creators"]
    ):
        wrong.append("creators without a kind")
    ids = [document["SPDXID"], *(p["SPDXID"] for p in document["packages"])]
    wrong += [
        f"{i} is no identifier" for i in ids if not re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", i)
    ]
    wrong += [f"{i} is used twice" for i in {i for i in ids if ids.count(i) > 1}]
    defined = {info["licenseId"] for info in document["hasExtractedLicensingInfos"]}
    for found in document["packages"]:
        wrong += [
            f"{found['name']} lacks {k}" for k in ("downloadLocation", "name") if k not in found
        ]
        used = set(re.findall(r"LicenseRef-[A-Za-z0-9.-]+", found["licenseDeclared"]))
        wrong += [f"{ref} is not defined" for ref in used - defined]
        wrong += [
            f"{found['name']} has a bad sum"
            for s in found.get("checksums", ())
            if s["algorithm"] != "SHA256" or not re.fullmatch("[0-9a-f]{64}", s["checksumValue"])
        ]
    for relation in document["relationships"]:
        ends = {relation["spdxElementId"], relation["relatedSpdxElement"]}
        wrong += [f"{end} is not in the document" for end in ends - set(ids)]
    return wrong


def test_the_document_is_valid_and_the_image_contains_each_package(image: Path) -> None:
    """Required fields, forms and references by the standard's text."""
    document = sbom.document(image, epoch=1_790_000_000)
    assert complain(document) == []
    assert document["creationInfo"]["created"] == "2026-09-21T14:13:20Z"
    contained = [r for r in document["relationships"] if r["relationshipType"] == "CONTAINS"]
    assert len(contained) == 4


def test_packages_carry_hash_purl_and_licence(image: Path) -> None:
    """What a scanner looks up, and what a lawyer does."""
    found = by_name(sbom.document(image, epoch=0))
    tool = found["tool"]
    assert tool["checksums"] == [{"algorithm": "SHA256", "checksumValue": "ab" * 32}]
    assert tool["externalRefs"][0]["referenceLocator"] == (
        "pkg:deb/debian/tool@1%3A2.0%2Bb1?arch=amd64&distro=trixie"
    )
    assert tool["licenseDeclared"] == (
        "((GPL-2.0-or-later OR Artistic-1.0-Perl) AND MIT) AND LicenseRef-odd-licence"
    )
    assert found["some-lib"]["licenseDeclared"] == "MIT OR ISC"
    assert found["some-lib"]["externalRefs"][0]["referenceLocator"] == "pkg:pypi/some-lib@1.2"


def test_a_licence_without_a_name_in_spdx_keeps_its_text(image: Path) -> None:
    """A LicenseRef that nobody can read would say nothing."""
    [extracted] = sbom.document(image, epoch=0)["hasExtractedLicensingInfos"]
    assert extracted == {
        "licenseId": "LicenseRef-odd-licence",
        "name": "odd-licence",
        "extractedText": "You may use this on Tuesdays.\n\nAnd on no other day.",
    }


def test_shared_documentation_gives_the_other_packages_licence(image: Path) -> None:
    """Debian links the documentation of packages from one source."""
    found = by_name(sbom.document(image, epoch=0))
    assert found["libtool-doc"]["licenseDeclared"] == found["tool"]["licenseDeclared"]


def test_prose_is_not_guessed_at(image: Path) -> None:
    """A copyright file that is not machine-readable declares nothing that we could repeat."""
    assert by_name(sbom.document(image, epoch=0))["silent"]["licenseDeclared"] == "NOASSERTION"


def test_equal_images_give_equal_documents_and_others_another_name(image: Path) -> None:
    """Byte for byte; the namespace tells two images apart."""
    one = sbom.document(image, epoch=7)
    assert json.dumps(one) == json.dumps(sbom.document(image, epoch=7))
    facts = json.loads((image / "image.json").read_text())
    (image / "image.json").write_text(json.dumps({**facts, "roothash": "ef" * 32}))
    assert sbom.document(image, epoch=7)["documentNamespace"] != one["documentNamespace"]


def test_a_directory_without_an_image_is_refused(tmp_path: Path) -> None:
    """Half an image has no bill of materials."""
    with pytest.raises(HostError) as caught:
        sbom.document(tmp_path / "nothing", epoch=0)
    assert caught.value.code == "sbom.no-image"


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("GPL-2", "GPL-2.0-only"),
        ("LGPL-2.1+", "LGPL-2.1-or-later"),
        ("Expat", "MIT"),
        ("GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
        ("ZLIB", "Zlib"),
        ("MIT-like", None),
        ("GPL-3+ with Bison exception", None),
    ],
)
def test_short_names_of_debian(said: str, name: str | None) -> None:
    """Only exact matches: a licence that is merely like another keeps its own name."""
    assert licences.spdx_name(said) == name


def test_two_texts_under_one_name_stay_apart() -> None:
    """`permissive` means something else in every package."""
    texts = Texts()
    assert texts.reference("permissive", "one") == "LicenseRef-permissive"
    assert texts.reference("permissive", "two") == "LicenseRef-permissive-2"
    assert texts.reference("permissive", "one") == "LicenseRef-permissive"
