"""An address to fetch, read strictly."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from meso_services.api_proxy.egress.hosts import Host, parse_host
from meso_services.contract.fetch import MAX_URL
from meso_services.runtime.errors import MesoError

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """`url` without its fragment, and the host it names."""

    url: str
    scheme: str
    host: Host


def parse_address(text: str) -> Address:
    """Read an http or https URL. Raises MesoError `fetch.bad_url`."""
    # What urllib would quietly strip, other programs read in other ways.
    if len(text) > MAX_URL or not text.isascii() or not text.isprintable() or " " in text:
        raise _bad("it has characters that belong percent-encoded, or is too long")
    if "\\" in text:
        raise _bad("it has a backslash")
    try:
        parts = urlsplit(text)
        if parts.scheme not in PORTS:
            raise ValueError("only http and https")
        if "@" in parts.netloc:
            raise ValueError("no user names in addresses")
        host = parse_host(parts.netloc, PORTS[parts.scheme])
    except ValueError as problem:
        raise _bad(str(problem)) from None
    return Address(parts._replace(fragment="").geturl(), parts.scheme, host)


def redirected(address: Address, location: str) -> Address:
    """Where a redirect leads. Raises MesoError `fetch.bad_url`."""
    following = parse_address(urljoin(address.url, location.strip()))
    if address.scheme == "https" and following.scheme == "http":
        raise _bad("it redirects from https to http")
    return following


def _bad(why: str) -> MesoError:
    return MesoError("fetch.bad_url", f"this address is not fetched: {why}", status=422)
