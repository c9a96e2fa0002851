"""Who is told when something on the appliance fails."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from meso_services.runtime.settings import Model, setting

URL = re.compile(r"https://(?P<host>[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/[!-~]*)?")


def _https(text: str) -> str:
    if text and not URL.fullmatch(text):
        allowed = "https://HOST/PATH, without user or password"
        raise PydanticCustomError("url", "is not an HTTPS address", {"allowed": allowed})
    return text


class Notify(Model):
    """`[notify]`."""

    webhook: Annotated[str, AfterValidator(_https)] = setting(
        "",
        description="HTTPS address that gets a JSON document by POST when a unit fails. Its host "
        "must stand in `services.api_proxy.egress.allow`, too. Empty: nobody is told; the status, "
        "the console and the login message show it all the same.",
        examples=["https://hooks.example.org/meso"],
    )
