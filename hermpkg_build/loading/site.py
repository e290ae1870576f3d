"""A call in a BUILD or .bzl file: where it is, where its arguments are, and what is wrong with it."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from hermpkg_build.errors import LoadingError, Location
from hermpkg_build.loading.prelude import Frame
from hermpkg_build.loading.source import Facts, StarlarkSource, find_argument
from hermpkg_build.loading.values import Path


class Site:
    """The call of the function `name` that `frames`, outermost first, have led to.

    `positional` are the arguments that can be given without names.

    The interpreter tells the line of each call; the column, and the places of the arguments, come
    from the syntax trees in `sources`.
    """

    def __init__(
        self,
        name: str,
        frames: Sequence[Frame],
        sources: Mapping[str, StarlarkSource],
        positional: Sequence[str] = (),
    ) -> None:
        self._name = name
        self._positional = positional
        self._frames = frames
        self._sources = sources

    def location(self) -> Location:
        """Where the call itself begins."""
        return self._location(len(self._frames) - 1)

    def outermost(self) -> Location:
        """Where the file that is evaluated makes the call, or calls the macro that makes it."""
        return self._location(0)

    def error(
        self, summary: str, *, argument: str = "", path: Path = (), next_step: str = "", facts: Facts = ()
    ) -> LoadingError:
        """An error at a part of an argument, or at the call.

        Where the call is made by a macro, the error is at the call of the macro, and a fact says
        where the macro makes it: the target is the caller's.
        """
        source, call = self._call(0)
        if len(self._frames) > 1:
            inner = [str(self._location(index)) for index in range(1, len(self._frames))]
            facts = [*facts, ("in the macro at", "\n".join(inner))]
        if call is None:
            return source.error_at(self.outermost(), summary, facts=facts, next_step=next_step)
        node: ast.AST = call.func
        if argument and len(self._frames) == 1:
            node = find_argument(call, argument, path, self._positional)
        return source.error(node, summary, facts=facts, next_step=next_step)

    def _call(self, index: int) -> tuple[StarlarkSource, ast.Call | None]:
        frame = self._frames[index]
        last = index == len(self._frames) - 1
        called = self._name if last else self._frames[index + 1].function.rpartition(".")[2]
        source = self._sources[frame.path]
        return source, source.call_at(frame.line, called)

    def _location(self, index: int) -> Location:
        source, call = self._call(index)
        return source.location(call) if call is not None else Location(source.path, self._frames[index].line)
