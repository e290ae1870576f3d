"""Calls in BUILD and .bzl files: where they and their arguments are, and errors at these places."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from hermpkg_build.core.parsed_texts import literal_value
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import HermpkgError, Location
from hermpkg_build.loading.attribute_values import Path
from hermpkg_build.loading.prelude import Frame
from hermpkg_build.loading.rules import Function
from hermpkg_build.loading.starlark_source import Facts, StarlarkSource, find_argument, find_keyword


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call of a function of the table, while a file is evaluated. `frames` are outermost first."""

    function: Function
    frames: Sequence[Frame]
    args: Sequence[object]
    kwargs: Mapping[str, object]


class CallSite:
    """The place of a call. What is wrong there is added to `errors`.

    The interpreter tells the line of each call; the column, and the places of the arguments, come from the
    syntax trees in `sources`.
    """

    def __init__(self, call: Call, sources: Mapping[str, StarlarkSource], errors: list[HermpkgError]) -> None:
        self.call = call
        self.errors = errors
        self.positional: tuple[str, ...] = tuple(call.function.attributes)[: call.function.positional]
        self._sources = sources

    def location(self, index: int = -1) -> Location:
        """Return where a call in progress begins: the call itself, or that of the macro around it.

        `index` is that of its frame; at 0 is the call that the file makes which is evaluated.
        """
        source, node = self._node(index)
        if node is not None:
            return source.location(node)
        return Location(source.path, self.call.frames[index].line)

    def report(
        self,
        summary: str,
        *,
        argument: str = "",
        path: Path | None = (),
        next_step: str = "",
        facts: Facts = (),
    ) -> None:
        """Add an error: at a part of an argument, at all of it with its name (`path` None), or at the call.

        Where a macro makes the call, the error is at the call of the macro, and a fact says where the macro
        makes it: the target is the caller's.
        """
        source, node = self._node(0)
        frames = self.call.frames
        if len(frames) > 1:
            inner = [str(self.location(index)) for index in range(1, len(frames))]
            facts = [*facts, ("in the macro at", "\n".join(inner))]
        place: ast.AST | Location = self.location(0) if node is None else node.func
        if node is not None and argument and len(frames) == 1:
            if path is None:
                place = find_keyword(node, argument)
            else:
                place = find_argument(node, argument, path, self.positional)
        self.errors.append(source.error(place, summary, facts=facts, next_step=next_step))

    def _node(self, index: int) -> tuple[StarlarkSource, ast.Call | None]:
        """Find the call in progress at a frame: the last is the call itself, the others lead to it.

        Several calls of one function may begin on one line. The right one has the arguments that were
        given, as far as those in the source are literals.
        """
        frame, *inner = self.call.frames[index:]
        source = self._sources[frame.path]
        if inner:
            called = inner[0].function.rpartition(".")[2]
            return source, next(iter(source.calls_at(frame.line, called)), None)
        nodes = source.calls_at(frame.line, self.call.function.name)
        if len(nodes) > 1:
            return source, max(nodes, key=self._likeness)
        return source, next(iter(nodes), None)

    def _likeness(self, node: ast.Call) -> int:
        """Count the arguments of a call in the source that are those of the call at hand."""
        written = [*enumerate(node.args), *((k.arg, k.value) for k in node.keywords)]
        if len(node.args) != len(self.call.args) or len(node.keywords) != len(self.call.kwargs):
            return -1
        return sum(self._given(name) == _literal(value) for name, value in written)

    def _given(self, name: int | str | None) -> object:
        if isinstance(name, int):
            return self.call.args[name]
        return self.call.kwargs.get(name or "")


def _literal(node: ast.AST) -> object:
    """Return the value of a literal; for another expression an object that equals nothing."""
    try:
        return literal_value(node)
    except ValueError:
        return object()
