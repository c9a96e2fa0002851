"""Settings of care: who asks, how often, how much, at what price; and what is written down."""

from __future__ import annotations

from meso_services.runtime.settings import Model, setting
from meso_services.runtime.sizes import Size

NAME = r"^[a-z][a-z0-9-]{0,31}$"


class Client(Model):
    """One who asks. What is left out is as `[services.api_proxy.limits]` says."""

    name: str = setting(
        pattern=NAME,
        description="Name by which limits, metrics and the audit call it.",
        examples=["laptop"],
    )
    user: str | None = setting(
        None,
        pattern=r"^[a-z_][a-z0-9_-]{0,31}$",
        description="User of this machine who is that client, on the UNIX socket.",
        examples=["meso-mind-runner"],
    )
    key_sha256: str | None = setting(
        None,
        pattern=r"^[0-9a-f]{64}$",
        description="SHA-256 of the key that the client shows on TCP: "
        "`printf %s KEY | sha256sum`. The key itself stands nowhere.",
    )
    requests_per_minute: int | None = setting(
        None, ge=0, le=1_000_000, description="Its own limit of requests."
    )
    tokens_per_minute: int | None = setting(
        None, ge=0, le=1_000_000_000, description="Its own limit of tokens."
    )
    concurrent: int | None = setting(
        None, ge=1, le=4096, description="Its own limit of requests at once."
    )
    weight: float = setting(
        1.0,
        gt=0,
        le=1000,
        description="Its share where clients wait for each other: 2 gets twice as many tokens "
        "through as 1.",
    )
    day_usd: float | None = setting(
        None, ge=0, le=1_000_000, description="Its own budget of a day, in US dollars."
    )
    day_tokens: int | None = setting(
        None, ge=0, le=10**15, description="Its own budget of a day, in tokens."
    )


class Limits(Model):
    """`[services.api_proxy.limits]`: what each client may do that has no limit of its own."""

    requests_per_minute: int = setting(
        600, ge=0, le=1_000_000, description="Requests a minute and client. 0: no limit."
    )
    tokens_per_minute: int = setting(
        0,
        ge=0,
        le=1_000_000_000,
        description="Tokens of every class a minute and client. 0: no limit.",
    )
    concurrent: int = setting(
        16, ge=1, le=4096, description="Requests of one client that are served at once."
    )
    concurrent_all: int = setting(
        48, ge=1, le=4096, description="Requests of all clients that are served at once."
    )
    waiting: int = setting(
        64, ge=0, le=4096, description="Requests of one client that may wait for their turn."
    )
    wait_seconds: float = setting(
        60.0, gt=0, le=3600, description="Seconds after which a waiting request is refused."
    )


class Budgets(Model):
    """`[services.api_proxy.budgets]`: what may be spent. Every class of tokens counts."""

    day_usd: float | None = setting(
        None,
        ge=0,
        le=1_000_000,
        description="US dollars that all clients together may spend in a day of the appliance's "
        "time zone.",
        examples=[20.0],
    )
    day_tokens: int | None = setting(None, ge=0, le=10**15, description="The same in tokens.")
    client_day_usd: float | None = setting(
        None, ge=0, le=1_000_000, description="US dollars a day and client."
    )
    client_day_tokens: int | None = setting(
        None, ge=0, le=10**15, description="The same in tokens."
    )
    session_usd: float | None = setting(
        None, ge=0, le=1_000_000, description="US dollars of one session, over all its days."
    )
    session_tokens: int | None = setting(None, ge=0, le=10**15, description="The same in tokens.")
    assumed_output: int = setting(
        8192,
        ge=1,
        le=10_000_000,
        description="Output tokens that are held for a request which names no bound of its own.",
    )
    hold_output: float = setting(
        1.0,
        ge=0,
        le=1,
        description="Share of a request's bound of output that is held while it runs. With 1 a "
        "budget is not overshot; less lets more requests run near its end.",
    )
    unpriced: str = setting(
        "refuse",
        pattern="^(refuse|free)$",
        description="What a model without a price is under a budget in dollars: `refuse` or "
        "`free`.",
    )


class Price(Model):
    """What a model costs, in US dollars a million tokens."""

    model: str = setting(
        min_length=1,
        max_length=200,
        description="Name of the model at its upstream; `*` stands for anything. The first that "
        "fits counts.",
        examples=["claude-sonnet-*"],
    )
    upstream: str | None = setting(
        None, pattern=NAME, description="Only at that upstream. None: at every one."
    )
    input: float = setting(ge=0, le=100_000, description="Input that came from no cache.")
    output: float = setting(ge=0, le=100_000, description="Output.")
    cache_read: float | None = setting(
        None, ge=0, le=100_000, description="Input read from a cache. None: as input."
    )
    cache_write: float | None = setting(
        None, ge=0, le=100_000, description="Input written to a cache. None: as input."
    )
    cache_write_1h: float | None = setting(
        None,
        ge=0,
        le=100_000,
        description="Input written to a cache that keeps it for an hour. None: as cache_write.",
    )
    reasoning: float | None = setting(
        None, ge=0, le=100_000, description="Reasoning that is counted apart. None: as output."
    )


class Breaker(Model):
    """`[services.api_proxy.breaker]`: when an upstream that fails is left alone."""

    failures: int = setting(
        5, ge=1, le=1000, description="Failures in a row after which an upstream is left alone."
    )
    open_seconds: float = setting(
        10.0, gt=0, le=3600, description="Seconds until one request tries it again."
    )
    longest_seconds: float = setting(
        300.0,
        gt=0,
        le=86_400,
        description="The pause doubles with each trial that fails, up to so many seconds.",
    )


class Cache(Model):
    """`[services.api_proxy.cache]`: answers that are given again. Only routes that say so."""

    max_size: Size = setting(
        "8M", description="Memory that kept answers may take.", examples=["8M"]
    )
    max_entry: Size = setting("512K", description="Largest answer that is kept.", examples=["512K"])
    seconds: int = setting(
        3600, ge=1, le=2_592_000, description="Seconds for which an answer is kept."
    )
    shared: bool = setting(
        False,
        description="Whether one client may get what another one asked. Never for requests that "
        "are marked private.",
    )


class Records(Model):
    """`[services.api_proxy.audit]` and `[services.api_proxy.ledger]`."""

    max_size: Size = setting(
        "64M",
        description="Space that it may take. The oldest lines leave first.",
        examples=["64M"],
    )
    flush_seconds: float = setting(
        0.2,
        gt=0,
        le=10,
        description="Lines are on the disk after at most this many seconds; a power cut loses "
        "what came within them.",
    )
