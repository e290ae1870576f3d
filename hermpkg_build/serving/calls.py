"""Calls: what is asked of a pool, by when, and the future of the answer."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any

from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.serving.channel import Part
from hermpkg_build.serving.requests import Callee

_order = itertools.count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Calls of one callee that wait at the same time are made together, up to `size` of them.

    A call waits up to `delay` seconds for others. Their tensors are joined along the first dimension, and the
    results divided along it. Whether that gives the same results shows in the first calls, which are made
    both ways: where it does not, they are made one by one from then on, and a warning says why.
    """

    size: int = 8
    delay: float = 0.002

    def __post_init__(self) -> None:
        if self.size < 1 or self.delay < 0:
            raise ValueError(
                f"a batch needs a size of at least 1 and a delay of at least 0 seconds, not {self}"
            )


class CallFuture(Future[Any]):
    """The future of a call, which can be cancelled until a worker makes it.

    `revoke` takes the call back from where it waits, perhaps in a worker's process, if nobody has begun it.
    It holds the call, and so the arguments, which are let go of with the answer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.revoke: Callable[[], object] | None = None
        self.add_done_callback(_let_go)

    def cancel(self) -> bool:
        """Cancel the call; False where it is being made, or was."""
        revoke = self.revoke
        if revoke is not None and not self.done():
            revoke()
        return super().cancel()


def _let_go(future: Future[Any]) -> None:
    assert isinstance(future, CallFuture)
    future.revoke = None


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """One call on its way. `deadline` is a time of `time.monotonic`; `worker`, the one that is to make it.

    `retries` says how often it is made again where its worker dies; one that is `alone` is in no batch.
    """

    callee: Callee
    parts: list[Part]
    retries: int
    deadline: float | None
    worker: int | None = None
    alone: bool = False
    future: CallFuture = field(default_factory=CallFuture)
    arrived: float = field(default_factory=time.monotonic)
    order: int = field(default_factory=lambda: next(_order))
    deaths_before_it_began: int = 0

    @property
    def size(self) -> int:
        """The bytes of its arguments."""
        return sum(map(len, self.parts))

    def answer(self, value: object) -> None:
        """Give the caller the result, unless the caller has been told something else."""
        with suppress(InvalidStateError):
            self.future.set_result(value)

    def fail(self, error: BaseException) -> None:
        """Let the caller have an error, unless the caller has been told something else."""
        with suppress(InvalidStateError):
            self.future.set_exception(error)

    def begin(self) -> bool:
        """Say whether the caller still wants it, who cannot cancel it any more."""
        if self.future.running():
            return True
        return not self.future.done() and self.future.set_running_or_notify_cancel()
