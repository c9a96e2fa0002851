"""`/v1/embeddings` without any network: the appliance's own model behind the official SDK."""

from __future__ import annotations

import hashlib
import math
import socket
from typing import Any

import openai
import pytest

from meso_host.setup import model as files

KEY = "client-key-for-tests"


@pytest.fixture(scope="module")
def sdk(shared_service: Any) -> openai.OpenAI:
    place = files.bring(lambda _: None)
    shared_service("embed", environment={"MESO_MODEL": str(place)})
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = {
        "tcp_port": port,
        "clients": [{"name": "sdk", "key_sha256": hashlib.sha256(KEY.encode()).hexdigest()}],
        "routes": [{"name": "alias", "when": {"models": ["text-embedding-3-small"]},
                    "to": ["embed"]}],
    }  # fmt: skip
    shared_service("api-proxy", settings)
    return openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY, max_retries=0)


@pytest.mark.parametrize("model", ["embed", "all-MiniLM-L6-v2", "text-embedding-3-small"])
def test_texts_become_vectors_offline(sdk: openai.OpenAI, model: str) -> None:
    """In the default encoding of the SDK, which is packed, and as numbers."""
    texts = ["A thought about gardens.", "The price of tea."]
    packed = sdk.embeddings.create(model=model, input=texts)
    plain = sdk.embeddings.create(model=model, input=texts, encoding_format="float")
    assert plain.model == "all-MiniLM-L6-v2"
    assert plain.usage.prompt_tokens > 4
    for one, other in zip(packed.data, plain.data, strict=True):
        assert math.isclose(math.hypot(*other.embedding), 1, abs_tol=1e-5)
        assert all(
            math.isclose(a, b, abs_tol=1e-6)
            for a, b in zip(one.embedding, other.embedding, strict=True)
        )


def test_what_the_local_model_cannot_do_is_refused(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="384"):
        sdk.embeddings.create(model="embed", input="x", dimensions=64)
    with pytest.raises(openai.BadRequestError, match="token numbers"):
        sdk.embeddings.create(model="embed", input=[1, 2])
    with pytest.raises(openai.NotFoundError):
        sdk.embeddings.create(model="another-model", input="x")
