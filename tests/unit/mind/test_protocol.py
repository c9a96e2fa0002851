"""Mind protocol v1.1: the examples to the letter, and replies as models really write them."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from meso_services.mind.parser import MOST_BYTES, Said, parse
from meso_services.mind.protocol import MindInput, SeenMessage, SeenThought, render
from meso_services.mind.text import clean

ZONE = timezone(timedelta(hours=11))
# The seed's own text, byte for byte.
INPUT = """\
meta:
  self: mind_0
  iter: 247
  user_time: 2026-01-15T14:30:00+11:00

thinking_pool:
  - |  # age: 50, cluster: {id: 3, size: 8}
    sampled thought with cluster context
  - |  # age: 12, cluster: {~}
    noise thought (no cluster yet)

message_pool:
  - source: user
    to: mind_0
    age: 42
    time: 2026-01-15T12:31:19+11:00
    text: |
      user's message
"""
OUTPUT = """\
thoughts:
  - a brief thought
  - |
    multi-line thought using
    YAML block format

messages:
  - to: user
    text: |
      response to user
"""
HELLO = [Said("user", "hello")]


def shown(thoughts: list[SeenThought], messages: list[SeenMessage]) -> str:
    time = datetime(2026, 1, 15, 14, 30, tzinfo=ZONE)
    return render(MindInput("mind_0", 247, time, thoughts, messages))


def test_the_input_is_the_example_to_the_letter() -> None:
    said = datetime(2026, 1, 15, 12, 31, 19, tzinfo=ZONE)
    thoughts = [
        SeenThought("sampled thought with cluster context", 50, (3, 8)),
        SeenThought("noise thought (no cluster yet)", 12),
    ]
    messages = [SeenMessage("user", "mind_0", 42, said, "user's message")]
    assert shown(thoughts, messages) == INPUT


def test_empty_pools_are_empty_lists() -> None:
    assert yaml.safe_load(shown([], [])) | {"meta": 0} == {
        "meta": 0,
        "thinking_pool": [],
        "message_pool": [],
    }


def test_drafts_and_presence_stand_in_the_input_only_when_they_are_on() -> None:
    time = datetime(2026, 1, 15, 14, 30, tzinfo=ZONE)
    text = render(MindInput("mind_0", 1, time, [], [], presence="reviewing", drafts=[]))
    assert "  user_presence: reviewing\n" in text
    assert text.endswith("draft_pool: []\n")
    assert "presence" not in shown([], [])


@given(st.lists(st.text(max_size=80).map(clean).filter(bool), max_size=4))
def test_any_text_reads_back_as_it_was_and_cannot_leave_its_block(texts: list[str]) -> None:
    moment = datetime(2026, 1, 1, tzinfo=ZONE)
    text = shown(
        [SeenThought(one, 1) for one in texts],
        [SeenMessage("user", "mind_0", 0, moment, one) for one in texts],
    )
    read = yaml.safe_load(text)
    assert [one.removesuffix("\n") for one in read["thinking_pool"]] == texts
    assert [one["text"].removesuffix("\n") for one in read["message_pool"]] == texts


def test_the_output_is_read_as_the_example_says() -> None:
    found = parse(OUTPUT)
    assert found.thoughts == ["a brief thought", "multi-line thought using\nYAML block format"]
    assert found.messages == [Said("user", "response to user")]
    assert (found.skip, found.dropped) == (False, [])


@pytest.mark.parametrize("text", ["thoughts: []", "messages: []", "thoughts: []\nmessages: []"])
def test_empty_lists_are_fine(text: str) -> None:
    found = parse(text)
    assert (found.thoughts, found.messages, found.skip, found.dropped) == ([], [], False, [])


def test_skip_is_silence() -> None:
    found = parse("skip: true")
    assert (found.thoughts, found.messages, found.skip, found.dropped) == ([], [], True, [])


@pytest.mark.parametrize(
    ("reply", "thoughts", "messages", "said"),
    [
        (f"Sure! Here you go:\n```yaml\n{OUTPUT}```\nHope it helps.", 2, 1, "outside"),
        (f"```\n{OUTPUT}", 2, 1, "outside"),
        (f"I am thinking about it.\n\n{OUTPUT}", 2, 1, "outside"),
        (OUTPUT.replace("  ", "\t"), 2, 1, "line by line"),
        ("thoughts:\n- a: b: c\n- fine\n", 2, 0, "line by line"),
        ('thoughts:\n  - "never closed\n  - second\n', 2, 0, "line by line"),
        ("thoughts:\n- one\n  - two\n messages:\n", 1, 0, ""),
        ("thoughts:\n   - one\n  - two\n", 2, 0, "line by line"),
        ("**Thoughts:**\n- one\n* two\n\n**Messages:**\n- to: user\n  text: hi\n", 2, 1, "line"),
        ("thoughts: just one", 1, 0, ""),
        ("thoughts:\n  - text: in a field\n  - Note: with a colon\n", 2, 0, ""),
        ("thoughts:\n  - yes\n  - 1.10\n  - 2026-01-01\n  - null\n", 3, 0, ""),
        ("messages:\n  - hello", 0, 1, "no recipient"),
        ("messages:\n  text: hello\n  to: user", 0, 1, ""),
        ("messages:\n- to: user\n  text: |\n  hello there\n  you\n", 0, 1, "line by line"),
        ("thoughts:\n  - a\nthoughts:\n  - b\n", 2, 0, "line by line"),
        ("thoughts:\n  - a\nmood: fine\n", 1, 0, "unknown key 'mood'"),
        ("skip: true\nthoughts:\n  - a\n", 1, 0, "skip"),
        ("a: &a [x, x]\nb: &b [*a, *a]\nthoughts: [*b]\n", 1, 0, "line by line"),
        ("thoughts:\n  - !!python/object/apply:os.system ['true']\n", 1, 0, ""),
        ("I have nothing to say today.", 0, 0, "no thoughts"),
        ("", 0, 0, "no thoughts"),
        ("[" * 5000, 0, 0, "no thoughts"),
        ("thoughts: " + "[" * 5000, 1, 0, "line by line"),
    ],
)
def test_what_models_really_write(reply: str, thoughts: int, messages: int, said: str) -> None:
    found = parse(reply)
    assert (len(found.thoughts), len(found.messages)) == (thoughts, messages), found
    assert said in "; ".join(found.dropped)


def test_words_stay_words() -> None:
    assert parse("thoughts:\n  - no\n  - 1.10\n  - ~\n").thoughts == ["no", "1.10"]


def test_bytes_that_are_not_text() -> None:
    found = parse(b"thoughts:\n  - caf\xe9\n")
    assert found.thoughts == ["caf\ufffd"]
    assert "not UTF-8" in found.dropped[0]


def test_a_key_inside_of_a_thought_is_a_part_of_it() -> None:
    reply = "thoughts:\n  - |\n    it said\n    messages: none\n   broken\n  - two\n"
    assert parse(reply).thoughts[-1] == "two"
    assert parse(reply).messages == []


def test_megabytes_end_soon_and_keep_their_beginning() -> None:
    many = "thoughts:\n  - first\n" + "".join(f"  - filler {n}: x\n" for n in range(400_000))
    began = time.monotonic()
    found = parse(many)
    assert found.thoughts[0] == "first"
    assert any("after the first" in one for one in found.dropped)
    assert len(many) > 20 * MOST_BYTES
    assert time.monotonic() - began < 60


WORDS = "thoughts: messages: skip:true - to:user text:| ? : # ~ % { } [ ] &a *a !!x"
FRAGMENTS = st.sampled_from(
    [*WORDS.split(), *(" ", "\t", "\n", "  - |\n", '"', "'", "```yaml\n", "```")]
)


@given(
    st.lists(st.one_of(FRAGMENTS, st.text(max_size=8), st.just("word")), max_size=40).map("".join)
)
def test_no_reply_ever_raises(reply: str) -> None:
    found = parse(reply)
    assert all(one and one == clean(one) for one in found.thoughts)
    assert all(one.text and one.to for one in found.messages)
    assert found.thoughts or found.messages or found.skip or found.dropped or ":" in reply


@given(st.binary(max_size=200))
def test_no_bytes_ever_raise(raw: bytes) -> None:
    parse(raw)
    parse(b"thoughts:\n  - " + raw)


@given(
    st.lists(
        st.text(max_size=60).map(clean).filter(lambda s: bool(s.strip())), min_size=1, max_size=5
    )
)
def test_what_was_rightly_written_is_read_as_it_was(texts: list[str]) -> None:
    blocks = [
        f"  - |2\n{''.join(f'    {x}' + chr(10) for x in one.split(chr(10)))}" for one in texts
    ]
    assert parse("thoughts:\n" + "".join(blocks)).thoughts == [clean(one) for one in texts]
