"""Settings of the fetch tool."""

from __future__ import annotations

from meso_services.api_proxy.egress.settings import HostRule
from meso_services.runtime.settings import Model, setting
from meso_services.runtime.sizes import Size


class Fetch(Model):
    """`[services.api_proxy.fetch]`. `egress.networks` counts here too."""

    allow: tuple[HostRule, ...] = setting(
        (),
        description="Hosts that agents may get pages from, written as in `egress.allow`. Plain "
        "http needs its port: `example.org:80`. Empty: none.",
        examples=[["*.wikipedia.org", "docs.python.org"]],
    )
    max_bytes: Size = setting(
        "2M", description="Most of a page that is read. The rest is cut off.", examples=["2M"]
    )
    seconds: float = setting(
        20.0, gt=0, le=300, description="Seconds for one page, redirects included."
    )
    redirects: int = setting(
        5, ge=0, le=20, description="Redirects that are followed. Each is checked like the first."
    )
    per_minute: int = setting(
        30, ge=1, le=100_000, description="Pages a minute that one host is asked for."
    )
    at_once: int = setting(8, ge=1, le=256, description="Pages that are read at once.")
    cache_seconds: int = setting(
        300, ge=0, le=86_400, description="Seconds for which a page is kept. 0: not at all."
    )
    cache_size: Size = setting("4M", description="Memory that kept pages may take.")
