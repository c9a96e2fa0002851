"""Which path belongs to which face. To add a face: write its module, add its row."""

from __future__ import annotations

from typing import Any

from meso_services.api_proxy.faces.anthropic import ANTHROPIC
from meso_services.api_proxy.faces.face import Action, Face
from meso_services.api_proxy.faces.openai import OPENAI
from meso_services.runtime.errors import MesoError, standard_body

FACES = (ANTHROPIC, OPENAI)
# The paths that ask a model something: these requests go through the pipeline.
ASKING: dict[str, tuple[Face, Action]] = {
    path: (face, action) for face in FACES for path, action in face.routes.items()
}
# Both APIs list models under the same path; this one answers for both.
_MODELS = "/v1/models"


def face_of(path: str) -> Face | None:
    """The face that `path` belongs to."""
    if path == _MODELS or path.startswith(f"{_MODELS}/"):
        return OPENAI
    return ASKING[path][0] if path in ASKING else None


def error_body(error: MesoError, path: str) -> dict[str, Any]:
    """The shape that a client of `path` expects."""
    face = face_of(path)
    return face.body(error) if face else standard_body(error, path)
