"""Why a request goes nowhere, and what the operator can do."""

from __future__ import annotations

from meso_services.api_proxy.faces.face import Action
from meso_services.api_proxy.facts import Facts
from meso_services.api_proxy.routing.decide import Decision
from meso_services.api_proxy.settings import Settings
from meso_services.api_proxy.upstreams.keys import FINAL
from meso_services.api_proxy.upstreams.kinds import serves
from meso_services.runtime.errors import MesoError

UPSTREAMS = "services.api_proxy.upstreams"


def nowhere(facts: Facts, decision: Decision, settings: Settings) -> MesoError:
    """The error for an empty chain."""
    considered = [step for step in decision.steps if step.what.startswith("target ")]
    if considered:
        reasons = "; ".join(f"{s.what.removeprefix('target ')}: {s.why}" for s in considered)
        private = facts.place != "internet"
        return MesoError(
            "proxy.private_nowhere" if private else "proxy.no_target",
            f"no upstream may serve this request ({reasons})"[:1500],
            status=403 if private else 404,
            hint="`meso proxy explain` shows every rule that was considered",
            headers=FINAL,
        )
    # For embeddings there is always one: the appliance's own model.
    always = facts.action is Action.EMBEDDINGS
    if not always and not any(serves(one.kind, facts.action) for one in settings.upstreams):
        return MesoError(
            "proxy.no_upstream",
            f"no upstream for the {facts.face.kind} API's {facts.action} is configured",
            status=503,
            hint=f"Add one to {UPSTREAMS} in the appliance's TOML file",
            headers=FINAL,
        )
    return MesoError(
        "proxy.unknown_model",
        f"no upstream serves the model {facts.model}",
        status=404,
        hint=f"GET /v1/models lists what is served; {UPSTREAMS}.models names it",
    )
