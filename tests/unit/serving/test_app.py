"""Requests end as their clients, the model, or the server's end have it, whichever is first."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("uvicorn")

from hermpkg_build.serving.http.app import App
from hermpkg_build.serving.http.model import Limits
from hermpkg_build.serving.protocol.calls import Answered


class Asking:
    """An application with a model that takes `seconds`, and one request; what became of both."""

    def __init__(self, seconds: float, *, body_s: float = 0.0, limit_s: float = 60.0) -> None:
        self.cancelled = False
        self.statuses: list[int] = []
        self.sent: list[Any] = []
        self._seconds = seconds
        self._body_s = body_s
        self._whole = False
        self.gone = asyncio.Event()
        limits = Limits(requests=8, body=100, seconds=limit_s, retries=0)
        model = SimpleNamespace(name="m", version=1, ready=True, limits=limits, infer=self._infer)
        metrics = SimpleNamespace(answered=lambda status, _: self.statuses.append(status))
        scope = {"type": "http", "method": "POST", "path": "/v2/models/m/infer", "headers": []}
        self.task = asyncio.create_task(App(model, metrics)(scope, self._receive, self._send))  # type: ignore[arg-type]

    async def _infer(self, *_: object) -> Answered:
        try:
            await asyncio.sleep(self._seconds)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return Answered(b"{}", None, 1, None)

    async def _receive(self) -> dict[str, Any]:
        if not self._whole:
            await asyncio.sleep(self._body_s)
            self._whole = True
            return {"type": "http.request", "body": b"{}"}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await asyncio.sleep(0)
        self.sent.append(message)


@pytest.mark.parametrize("seconds", [0.0, 0.2])
def test_a_request_is_answered_once_and_nothing_goes_on(seconds):
    async def main() -> None:
        asking = Asking(seconds)
        await asking.task
        assert (asking.statuses, [each.get("status") for each in asking.sent]) == ([200], [200, None])
        asking.gone.set()
        await asyncio.sleep(0.1)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_the_call_of_a_client_that_goes_is_cancelled():
    async def main() -> None:
        asking = Asking(600)
        asking.gone.set()
        await asking.task
        assert (asking.statuses, asking.cancelled) == ([499], True)
        assert not asking.task.cancelled()

    asyncio.run(main())


def test_a_body_that_comes_too_late_is_told():
    async def main() -> None:
        asking = Asking(0, body_s=600, limit_s=0.05)
        await asking.task
        assert (asking.statuses, asking.sent[0]["status"]) == ([408], 408)

    asyncio.run(main())


def test_the_end_of_the_server_is_not_taken_for_that_of_a_client():
    async def main() -> None:
        asking = Asking(600)
        await asyncio.sleep(0.2)
        asking.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking.task
        assert asking.cancelled
        assert asking.sent == []

    asyncio.run(main())
