"""What an answer took, from what the upstreams of both APIs say."""

from __future__ import annotations

import pytest

from meso_services.api_proxy.care.interface import Usage
from meso_services.api_proxy.meter import Meter

CLAUDE = {
    "input_tokens": 10,
    "output_tokens": 20,
    "cache_read_input_tokens": 30,
    "cache_creation_input_tokens": 40,
    "cache_creation": {"ephemeral_5m_input_tokens": 25, "ephemeral_1h_input_tokens": 15},
    "output_tokens_details": {"thinking_tokens": 5},
}
GPT = {
    "prompt_tokens": 80,
    "completion_tokens": 20,
    "prompt_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 40},
    "completion_tokens_details": {"reasoning_tokens": 5},
}


def test_every_class_is_read_and_each_token_counts_once() -> None:
    for usage, hour in ((CLAUDE, 15), (GPT, 0)):
        meter = Meter(1)
        meter.whole({"usage": usage}, 100)
        assert meter.usage == Usage(10, 15, 30, 40, 5, hour)
        assert meter.usage.total == 100


def test_a_stream_that_was_cut_is_charged_for_what_came() -> None:
    """It said how large the question was, and sent four hundred letters: a token for four."""
    meter = Meter(1)
    begun = CLAUDE | {"output_tokens": 1, "output_tokens_details": None}
    meter.event({"type": "message_start", "message": {"usage": begun}})
    # It says what it thought at its end only.
    for _ in range(4):
        delta = {"type": "text_delta", "text": "x" * 100}
        meter.event({"type": "content_block_delta", "delta": delta})
    found = meter.usage
    assert found is not None
    assert (found.output, found.cache_write, found.cache_write_1h) == (100, 40, 15)


@pytest.mark.parametrize(
    ("answer", "tokens"),
    [({"data": []}, 7), ({"vectors": [[0.1] * 384], "tokens": [4, 5]}, 9)],
    ids=["of an API that does not count", "of this machine's own model"],
)
def test_vectors_are_no_output(answer: dict[str, object], tokens: int) -> None:
    meter = Meter(7, answers=False)
    meter.whole(answer, 100_000)
    assert meter.usage == Usage(input=tokens)


@pytest.mark.parametrize("lie", [-5, 1 << 70, "12", None, 1.5, [], {}])
def test_figures_that_cannot_be_do_no_harm(lie: object) -> None:
    for names in (CLAUDE, GPT):
        meter = Meter(3)
        meter.whole({"usage": dict.fromkeys(names, lie)}, 10)
        found = meter.usage
        assert found is not None
        assert 0 <= found.total <= 6 << 40
        assert 0 <= found.cache_write_1h <= found.cache_write
