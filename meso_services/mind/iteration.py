"""One iteration: sample, ask, parse, embed, cluster, commit.

Nothing of the session changes before the commit, so whatever fails, or ends the process, leaves
the session at the iteration before.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np

from meso_services.mind import (
    auditors,
    changing,
    commit,
    drafts,
    prompt,
    session,
    splitting,
    state,
)
from meso_services.mind.ahead import Ahead
from meso_services.mind.clustering import Change, Floats, step
from meso_services.mind.embedders import Embedder
from meso_services.mind.models import Heard, Reply
from meso_services.mind.parser import Output, parse
from meso_services.mind.protocol import MindInput, SeenMessage, SeenThought, render
from meso_services.mind.state import Made, Mind


class Asks(Protocol):
    """Who can be asked for a model's answer."""

    def ask(
        self, model: str, system: str, text: str, most_tokens: int, heard: Heard | None = None
    ) -> Reply:
        """Raises MesoError. `heard` may be told what was said so far, as it grows."""


@dataclass(frozen=True, slots=True)
class Around:
    """What an iteration needs from outside. `debug` gets the whole request and reply."""

    model: Asks
    embedder: Embedder
    debug: Callable[[str, str], None] | None = None


@dataclass(slots=True)
class Report:
    """What one mind did in one iteration, for progress and for programs."""

    iteration: int
    mind: str
    sampled: list[int] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    messages: list[dict[str, str]] = field(default_factory=list)
    drafts: list[str] = field(default_factory=list)
    skip: bool = False
    dropped: list[str] = field(default_factory=list)
    joined: int = 0
    new_clusters: list[int] = field(default_factory=list)
    split: list[int] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    stop: bool = False
    tokens: tuple[int, int] = (0, 0)
    tries: int = 1


def run(mind: Mind, around: Around) -> list[Report]:
    """One iteration of every mind of the session, committed. Raises MesoError and CallError.

    All minds see the pools as they are at the beginning; what they write enters together.
    """
    state.refresh(mind)
    findings = _audited(mind, "before", {"iteration": mind.iteration})
    if any(one.level == "stop" for one in findings):
        report = Report(mind.iteration, "", stop=True)
        report.alerts = [f"{f.auditor}: {f.text}" for f in findings if f.level != "note"]
        return [report]
    with Ahead(around.embedder) as embedder:
        return _whole(mind, around, embedder, findings)


def _whole(
    mind: Mind, around: Around, embedder: Ahead, findings: list[auditors.Finding]
) -> list[Report]:
    reports, outputs = [], []
    for name, model in mind.minds().items():
        report, output = _think(mind, name, model, around, embedder.hear)
        reports.append(report)
        outputs.append(output)
    try:
        made = _made(mind, reports, outputs, embedder)
        audit = {"minds": [asdict(report) for report in reports]}
        commit.commit(mind, made, audit, lambda n: drafts.propose(mind, made.drafts, n))
    except BaseException:
        state.reload(mind)
        raise
    after = {"iteration": mind.iteration, "minds": [asdict(report) for report in reports]}
    findings += _audited(mind, "after", after)
    reports[0].alerts += [f"{f.auditor}: {f.text}" for f in findings if f.level != "note"]
    reports[0].stop = any(f.level == "stop" for f in findings)
    return reports


def _think(
    mind: Mind, name: str, model: str, around: Around, heard: Heard
) -> tuple[Report, Output]:
    rows = sample(mind, name)
    report = Report(mind.iteration, name, [mind.thoughts[row].id for row in rows])
    text = render(_input(mind, name, rows))
    system = prompt.render(mind.directory, _values(mind, name))
    if around.debug:
        around.debug("request", f"{system}\n{text}")
    reply = around.model.ask(model, system, text, mind.config.token_limit, heard)
    if around.debug:
        around.debug("reply", reply.text)
    output = parse(reply.text)
    if reply.stopped in ("length", "max_tokens"):
        output.dropped.append("the reply was cut at the token limit")
    report.tokens, report.tries = (reply.tokens_in, reply.tokens_out), reply.tries
    report.thoughts, report.skip = list(output.thoughts), output.skip
    report.dropped = list(output.dropped)
    return report, output


def sample(mind: Mind, name: str) -> list[int]:
    """Rows of the active pool, drawn without repetition; with a seed the same ones every time."""
    if mind.config.seed is None:
        chance = random.Random()  # noqa: S311 (sampling, no secret)
    else:
        chance = random.Random(f"{mind.config.seed}/{mind.iteration}/{name}")  # noqa: S311
    return chance.sample(range(len(mind.thoughts)), min(mind.config.k_samples, len(mind.thoughts)))


def _input(mind: Mind, name: str, rows: list[int]) -> MindInput:
    sizes = mind.clusters.sizes
    thoughts = []
    for row in rows:
        one = mind.thoughts[row]
        cluster = mind.cluster_of.get(one.id)
        seen = None if cluster is None else (cluster, int(sizes[cluster]))
        thoughts.append(SeenThought(one.text, mind.iteration - one.iteration, seen))
    messages = [
        SeenMessage(m.source, m.to, mind.iteration - m.iteration, m.time, m.text)
        for m in mind.pool()
        if name in (m.source, m.to)
    ]
    waiting = drafts.seen(mind, name) if mind.config.drafts else None
    return MindInput(
        name, mind.iteration, session.now(), thoughts, messages, mind.config.presence, waiting
    )


def _values(mind: Mind, name: str) -> dict[str, Any]:
    return {
        "self_name": name,
        "token_limit": mind.config.token_limit,
        "presence": mind.config.presence,
        "drafts": mind.config.drafts,
        "others": [other for other in mind.minds() if other != name],
    }


def _made(mind: Mind, reports: list[Report], outputs: list[Output], embedder: Embedder) -> Made:
    moment = session.now().isoformat(timespec="seconds")
    thoughts: list[dict[str, Any]] = []
    messages: list[dict[str, Any]] = []
    proposed: list[dict[str, Any]] = []
    known = {*mind.minds(), session.USER}
    for report, output in zip(reports, outputs, strict=True):
        made = {"iteration": mind.iteration, "time": moment}
        seen = [m.id for m in mind.pool() if report.mind in (m.source, m.to)]
        lineage = {"thoughts": report.sampled, "messages": seen}
        for text in output.thoughts:
            thoughts.append({**made, "mind": report.mind, "text": text, "from": lineage})
        said = [(one, mind.config.drafts) for one in output.messages]
        said += [(one, True) for one in output.drafts if mind.config.drafts]
        if output.drafts and not mind.config.drafts:
            report.dropped.append("drafts, because draft dialogue is off")
        for one, as_draft in said:
            to = one.to if one.to in known else session.USER
            line = {"source": report.mind, "to": to, "text": one.text, **made, "from": lineage}
            if as_draft and to == session.USER:
                proposed.append(line)
                report.drafts.append(one.text)
            else:
                messages.append(line)
                report.messages.append({"to": to, "text": one.text})
    vectors = embedder.embed([line["text"] for line in thoughts]) if thoughts else None
    changes = _cluster(mind, vectors)
    reports[0].joined = sum(change.left is None for change in changes)
    reports[0].new_clusters = sorted({c.cluster for c in changes if c.by != "centroid"})
    reports[0].split = sorted({c.left for c in changes if c.left is not None})
    return Made(thoughts, vectors, messages, changes, proposed)


def _cluster(mind: Mind, vectors: Floats | None) -> list[Change]:
    """Noise of the active pool, as it will be with the new thoughts, and the new ones."""
    fresh = 0 if vectors is None else len(vectors)
    if vectors is None:
        return []
    leaving = max(0, len(mind.thoughts) + fresh - mind.config.active_pool_size)
    old = [row for row in mind.noise() if row >= leaving]
    ids = [mind.thoughts[row].id for row in old] + list(range(mind.made, mind.made + fresh))
    joined = np.concatenate([mind.vectors[old], vectors]) if old else vectors
    changes = step(
        mind.clusters,
        ids,
        joined,
        threshold=mind.config.centroid_match_threshold,
        min_size=mind.config.min_cluster_size,
    )
    return changes + _split(mind, changes, dict(zip(ids, joined, strict=True)))


def _split(mind: Mind, changes: list[Change], fresh: dict[int, Floats]) -> list[Change]:
    """Clusters that these changes made fall apart, divided; `fresh` is not on the disk yet."""
    below, least = mind.config.split_below, mind.config.min_cluster_size
    if below is None:
        return []
    found: list[Change] = []
    for number in splitting.due(mind.clusters, changes, below, least):
        joined = [change.thought for change in changes if change.cluster == number]
        thoughts, held = changing.members(mind, number)
        everyone = [*thoughts, *joined], np.concatenate([held, [fresh[t] for t in joined]])
        found += splitting.split(mind.clusters, number, everyone, mind.rules())
    return found


def _audited(mind: Mind, when: str, event: dict[str, Any]) -> list[auditors.Finding]:
    if not mind.config.auditors:
        return []
    findings = auditors.ask(mind.config.auditors, {"when": when, **event})
    with changing.writing(mind):
        for one in findings:
            changing.log(mind, "audit", one.line(when))
    for one in findings:
        if one.tell:
            changing.say(mind, "auditor", session.FIRST_MIND, one.text)
    return findings
