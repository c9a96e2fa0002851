"""Set one key of a mind's configuration from text."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from meso_services.contract.mind import MindConfig
from meso_services.runtime.errors import MesoError


def changed(config: MindConfig, assignment: str) -> tuple[MindConfig, dict[str, Any]]:
    """The configuration after `KEY=VALUE`, and what changed. Raises `mind.bad_config`.

    The value is JSON where it can be read so, else text.
    """
    key, mark, text = assignment.partition("=")
    key = key.strip()
    if not mark or key not in MindConfig.model_fields:
        raise MesoError(
            "mind.bad_config",
            f"{assignment!r} is no KEY=VALUE with a known key",
            status=422,
            hint=f"known keys: {', '.join(MindConfig.model_fields)}",
        )
    try:
        value: Any = json.loads(text)
    except ValueError:
        value = text
    try:
        document = config.model_dump(mode="json") | {key: value}
        found = MindConfig.model_validate_json(json.dumps(document))
    except ValidationError as problem:
        said = problem.errors(include_url=False)[0]["msg"]
        raise MesoError("mind.bad_config", f"{key}: {said}", status=422) from None
    return found, {key: value}
