"""Hostname, locale and time zone: small values with rules of their own."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from meso_services.config.timezones import TIMEZONES

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_HOSTNAME_RULE = (
    "lower-case letters, digits and hyphens (RFC 1123), 1 to 63 characters, "
    "no hyphen at either end; a name, without a domain"
)


def check_hostname(name: str) -> str:
    """One RFC 1123 label, because `NAME.local` is how the machine is found."""
    if not _LABEL.fullmatch(name) or name == "localhost":
        raise PydanticCustomError("hostname", "is not a hostname", {"allowed": _HOSTNAME_RULE})
    return name


def check_timezone(name: str) -> str:
    """A name of the time zone database that the image carries."""
    if name not in TIMEZONES:
        raise PydanticCustomError(
            "timezone",
            "is not a time zone",
            {"allowed": "a name of the tz database, such as Europe/Berlin", "names": TIMEZONES},
        )
    return name


Hostname = Annotated[
    str,
    AfterValidator(check_hostname),
    WithJsonSchema({"type": "string", "pattern": f"^{_LABEL.pattern}$"}),
]
Timezone = Annotated[
    str,
    AfterValidator(check_timezone),
    WithJsonSchema({"type": "string", "enum": sorted(TIMEZONES)}),
]
