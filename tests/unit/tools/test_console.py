"""Who stands before the machine: answers only where the operator's policy trusts the console."""

from __future__ import annotations

import asyncio
import grp
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from meso_services.contract.tools_policy import Approval
from meso_services.runtime.app import _answer_errors
from meso_services.runtime.errors import standard_body
from meso_services.runtime.peer import PEER_KEY, Peer
from meso_services.tool_executor import routes_operator
from meso_services.tool_executor.approvals import Approvals
from meso_services.tool_executor.policy.judge import Judge
from meso_services.tool_executor.policy.settings import Policy

CONSOLE_GROUP = 64_709
CONSOLE, AGENT = Peer(1, 64_000, 64_000, (CONSOLE_GROUP,)), Peer(2, 64_001, 64_001, (64_700,))


@pytest.fixture(autouse=True)
def _group(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(name: str) -> Any:
        assert name == "meso-screen"
        return SimpleNamespace(gr_gid=CONSOLE_GROUP)

    monkeypatch.setattr(grp, "getgrnam", found)


@pytest.mark.parametrize(
    ("peer", "console", "status"),
    [(CONSOLE, True, 200), (CONSOLE, False, 403), (AGENT, True, 403), (AGENT, False, 403)],
)
def test_only_the_trusted_console_sees_and_answers(peer: Peer, console: bool, status: int) -> None:
    async def work() -> None:
        approvals = Approvals()
        question = approvals.ask(QUESTION, frozenset())
        reply = await asked(approvals, peer, console, "GET", "")
        assert reply.status_code == status
        if status == 403:
            assert reply.json()["error"]["code"] == "peer.not_operator"
        reply = await asked(approvals, peer, console, "POST", "/abc123", {"decision": "allow"})
        assert (reply.status_code, question.answer.done()) == (status, status == 200)
        if question.answer.done():
            said = question.answer.result()
            assert (said.allowed, said.uid, said.by) == (True, 64_000, "the console")

    asyncio.run(work())


def test_it_is_not_trusted_unless_the_operator_says_so() -> None:
    assert not Policy().console


async def asked(  # noqa: PLR0917 - a request's parts
    approvals: Approvals, peer: Peer, console: bool, method: str, path: str, body: Any = None
) -> httpx.Response:
    app = FastAPI()
    _answer_errors(app, standard_body)
    engine = SimpleNamespace(
        judge=Judge(Policy(console=console)),
        approvals=approvals,
        audit=SimpleNamespace(directory=None),
    )
    routes_operator.add(app, SimpleNamespace(engine=engine))  # type: ignore[arg-type]

    async def known(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, PEER_KEY: peer}, receive, send)

    transport = httpx.ASGITransport(known)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, f"/v1/approvals{path}", json=body)


QUESTION = Approval(
    id="abc123",
    call_id="c",
    session="s",
    branch="main",
    tool="bash",
    summary="make",
    rule="r",
    reason="it builds",
    asked_at="2026-01-01T00:00:00Z",
    expires_at="2026-01-01T00:05:00Z",
    uid=1,
)
