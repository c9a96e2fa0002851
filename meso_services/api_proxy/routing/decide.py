"""Where a request goes: a pure function of what it is and of the operator's file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from meso_services.api_proxy.faces.face import Action
from meso_services.api_proxy.facts import Facts
from meso_services.api_proxy.routing.match import mismatch
from meso_services.api_proxy.routing.settings import Route
from meso_services.api_proxy.settings import Settings
from meso_services.api_proxy.upstreams.kinds import serves, speaks
from meso_services.api_proxy.upstreams.settings import PLACES, Place, Upstream

# The appliance's own embedding model, there without being declared.
EMBED = Upstream(name="embed", kind="embed", models=("embed", "local", "all-MiniLM-L6-v2"))
BY_MODEL = "by-model"


@dataclass(frozen=True)
class Target:
    """An upstream and the model to ask it for."""

    upstream: Upstream
    model: str


@dataclass(frozen=True)
class Step:
    """One thing that was considered, and what came of it."""

    what: str
    taken: bool
    why: str


@dataclass(frozen=True)
class State:
    """What changes from moment to moment: is an upstream open for requests, what does it cost?

    `down` says why an upstream is left alone, or "". `price` is in dollars for a million
    tokens, input and output together, or None where it is not known.
    """

    down: Callable[[str], str] = lambda _: ""
    price: Callable[[str, str], float | None] = lambda _upstream, _model: None


@dataclass(frozen=True)
class Decision:
    """The chain of targets in the order in which they are tried, and how it came about."""

    route: str
    targets: tuple[Target, ...]
    steps: tuple[Step, ...]
    cache: bool = False

    @property
    def why(self) -> str:
        """One line for the audit."""
        taken = [step for step in self.steps if step.taken]
        return "; ".join(f"{step.what}: {step.why}" for step in taken)[:500]


def decide(facts: Facts, settings: Settings, state: State) -> Decision:
    """Consider every route, then every target. An empty chain means that nothing fits."""
    steps: list[Step] = []
    chosen = _matching(facts, settings, steps)
    if chosen is not None:
        listed = list(_listed(chosen, facts, settings))
    else:
        listed = list(_by_model(facts, settings))
    fitting = [target for target in listed if _fits(facts, target, steps)]
    ordered = _ordered(fitting, chosen.prefer if chosen else "order", state)
    return Decision(
        route=chosen.name if chosen else BY_MODEL,
        targets=tuple(_available_first(ordered, state, steps)),
        steps=tuple(steps),
        cache=bool(chosen and chosen.cache),
    )


def _matching(facts: Facts, settings: Settings, steps: list[Step]) -> Route | None:
    for route in settings.routes:
        reason = mismatch(facts, route.when)
        steps.append(Step(f"route {route.name}", not reason, reason or "its conditions hold"))
        if not reason:
            return route
    steps.append(Step(BY_MODEL, True, f"no route took it; who serves {facts.model}?"))
    return None


def _listed(route: Route, facts: Facts, settings: Settings) -> Iterator[Target]:
    known = {upstream.name: upstream for upstream in (EMBED, *settings.upstreams)}
    for entry in route.to:
        name, _, model = entry.partition("/")
        yield Target(known[name], model or facts.model)


def _by_model(facts: Facts, settings: Settings) -> Iterator[Target]:
    """Who names the model, else who takes any; who needs no translation comes first."""
    asked = facts.model
    declared = [u for u in settings.upstreams if serves(u.kind, facts.action)]
    if facts.action is Action.EMBEDDINGS:
        declared.append(EMBED)
    direct = [u for u in declared if speaks(u.kind, facts.action)]
    other = [u for u in declared if not speaks(u.kind, facts.action)]
    naming = [u for u in (*direct, *other) if names(u, asked)]
    anything = [u for u in (*direct, *other) if not u.models]
    # A second upstream that does not name the model is no fallback: nobody asked for it.
    for upstream in naming or anything[:1]:
        yield Target(upstream, asked)


def names(upstream: Upstream, model: str) -> bool:
    """True if the upstream says that it serves `model`."""
    return any(fnmatchcase(model, pattern) for pattern in upstream.models)


def _fits(facts: Facts, target: Target, steps: list[Step]) -> bool:
    reason = _unfit(facts, target)
    what = f"target {target.upstream.name}/{target.model}"
    steps.append(Step(what, not reason, reason or f"it fits ({reach_of(target)})"))
    return not reason


def _unfit(facts: Facts, target: Target) -> str:
    upstream = target.upstream
    reach = reach_of(target)
    if PLACES.index(reach) > PLACES.index(facts.place):
        return f"the request is marked {facts.place}, and this leads to the {reach}"
    if not serves(upstream.kind, facts.action):
        return f"an upstream of the kind {upstream.kind} cannot do {facts.action}"
    if lacking := facts.needs & set(upstream.cannot):
        return f"it cannot do {', '.join(sorted(lacking))}"
    if upstream.context_tokens is not None and facts.tokens > upstream.context_tokens:
        return f"about {facts.tokens} tokens are more than it takes ({upstream.context_tokens})"
    return ""


def reach_of(target: Target) -> Place:
    """How far a request to it travels."""
    return "internet" if in_the_cloud(target) else target.upstream.reach


def in_the_cloud(target: Target) -> bool:
    """True for a model that a server on this machine only passes on to its maker's cloud."""
    return target.upstream.dialect == "ollama" and target.model.endswith(("-cloud", ":cloud"))


def _ordered(targets: list[Target], prefer: str, state: State) -> list[Target]:
    if prefer == "nearest":
        return sorted(targets, key=lambda t: PLACES.index(reach_of(t)))
    if prefer == "cheapest":
        return sorted(targets, key=lambda t: _price(t, state))
    return targets


def _price(target: Target, state: State) -> float:
    # What runs on this machine costs nothing; what has no price comes last.
    if reach_of(target) == "machine":
        return 0.0
    price = state.price(target.upstream.name, target.model)
    return float("inf") if price is None else price


def _available_first(
    targets: Sequence[Target], state: State, steps: list[Step]
) -> Iterator[Target]:
    """Those that are left alone at the moment come last: better late than not at all."""
    down = {t.upstream.name: state.down(t.upstream.name) for t in targets}
    for name, reason in down.items():
        if reason:
            steps.append(Step(f"upstream {name}", False, reason))
    yield from (t for t in targets if not down[t.upstream.name])
    yield from (t for t in targets if down[t.upstream.name])
