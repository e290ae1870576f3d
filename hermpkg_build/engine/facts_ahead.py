"""Works out facts that will be asked for, in other processes, while targets are built."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hermpkg_build.core.closing import Closing
from hermpkg_build.errors import HermpkgError
from hermpkg_build.source.parallel import AHEAD, BATCH, Helper, start_helper

if TYPE_CHECKING:
    from hermpkg_build.analysis.module_finder import ModuleSource
    from hermpkg_build.engine.facts import CachedFacts
    from hermpkg_build.source.source_facts import Source


class FactsAhead(Closing):
    """Up to `helpers` processes that work out the facts of `modules`, the last ones first.

    Targets are built from the first one on. One whose modules no helper has come to analyses them by itself,
    so that both meet somewhere in the middle, and nobody waits for anybody. What cannot be read, or is
    lost with a helper, is left to the targets that need it, which tell what is wrong.
    """

    def __init__(self, facts: CachedFacts, modules: Sequence[ModuleSource], helpers: int) -> None:
        self._facts = facts
        self._waiting = [modules[start : start + BATCH] for start in range(0, len(modules), BATCH)]
        self._threads = [
            threading.Thread(target=self._work, name=f"hermpkg-facts-{number}", daemon=True)
            for number in range(helpers)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the helpers, whatever is left."""
        self._waiting.clear()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        sent: deque[Sequence[ModuleSource]] = deque()
        helper: Helper | None = None
        try:
            while True:
                batch, unknown = self._next() if len(sent) < AHEAD else ((), ())
                if unknown:
                    helper = helper or start_helper()
                    if helper is None:
                        return
                    helper.send(unknown)
                    sent.append(batch)
                elif helper is not None and sent:
                    self._facts.take(sent.popleft(), dict(filter(None, helper.receive())))
                else:
                    return
        except (OSError, ValueError, HermpkgError):
            pass  # What is lost with a helper is worked out by whoever needs it.
        finally:
            if helper is not None:
                helper.close()

    def _next(self) -> tuple[Sequence[ModuleSource], Sequence[Source]]:
        """Return the next modules, with the sources that nobody knows the facts of: none at the end."""
        while self._waiting:
            try:
                batch = self._waiting.pop()
                unknown = [*self._facts.unknown_of(batch).values()]
            except (IndexError, OSError, HermpkgError):
                continue  # Somebody else has the last ones; or what is wrong is told by who needs these.
            if unknown:
                return batch, unknown
        return (), ()
