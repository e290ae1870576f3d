"""Makes several calls of one callee as one, as long as each has the result that it has alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hermpkg_build.core.example_call import Arguments
from hermpkg_build.serving.inside.batches import ApartError, difference, divide, join


class Joiner:
    """Joins the calls of one callee; `apart` is why that cannot be done, "" as long as it can.

    The first calls that are made as one are made one by one, too. Where the results differ beyond rounding,
    or cannot be divided, none are joined from then on.
    """

    def __init__(self) -> None:
        self.apart: str = ""
        self._is_proven = False

    def results(self, call: Callable[[Arguments], Any], calls: Sequence[Arguments]) -> list[Any]:
        """Return the results, none where calls are to be made one by one. Raises what `call` raises."""
        if self.apart:
            return []
        try:
            joined = join(calls)
            results = divide(call(joined.arguments), joined.rows)
            if not self._is_proven:
                self._prove(call, calls, results)
        except ApartError as error:
            self.apart = str(error)
            return []
        return results

    def _prove(
        self, call: Callable[[Arguments], Any], calls: Sequence[Arguments], results: Sequence[Any]
    ) -> None:
        for arguments, result in zip(calls, results, strict=True):
            if found := difference(call(arguments), result):
                raise ApartError(f"a call alone has another result than together with others: {found}")
        self._is_proven = True
