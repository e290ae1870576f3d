"""Answers queries: what each expression means over a graph of targets."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeAlias

from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import GroupedError, HermpkgError, QueryError
from hermpkg_build.query.expressions import Call, Chain, Depth, Expression, Let, Text, Variable, Word, Words
from hermpkg_build.query.functions import FUNCTIONS
from hermpkg_build.query.graph import TargetGraph, shortest_path
from hermpkg_build.query.mistakes import of_graph, query_error, told_of
from hermpkg_build.query.parser import parse

Scope: TypeAlias = Mapping[str, set[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The targets that a query gives, and what went wrong on the way.

    `path` has them in the order of a path where the query asks for one with `somepath`.
    """

    labels: Collection[str]
    path: tuple[str, ...] = ()
    problems: tuple[QueryError, ...] = ()


def answer(text: str, graph: TargetGraph) -> Answer:
    """Answer a query. Raises CommandLineError or QueryError where it cannot be read.

    What is wrong with the targets is not raised: the answer lacks them, and lists the problems.
    """
    expression = parse(text)
    evaluation = _Evaluation(text, graph)
    path: tuple[str, ...] = ()
    if isinstance(expression, Call) and expression.function == "somepath":
        path = tuple(evaluation.path(expression))
        labels: Collection[str] = path
    else:
        labels = evaluation.value(expression, {})
    problems = [*evaluation.problems.values(), *map(of_graph, graph.problems.values())]
    return Answer(labels=labels, path=path, problems=tuple(problems))


class _Evaluation:
    """One query that is being answered; `problems` are those of its patterns and calls, by their texts."""

    def __init__(self, text: str, graph: TargetGraph) -> None:
        self.problems: dict[str, QueryError] = {}
        self._text = text
        self._graph = graph

    def value(self, expression: Expression, scope: Scope) -> set[str]:
        """Return the targets that an expression means; `scope` has the variables."""
        match expression:
            case Word():
                return self._named(expression)
            case Words():
                return set().union(*[self._named(word) for word in expression.words])
            case Variable():
                return scope[expression.name]
            case Let():
                bound = self.value(expression.value, scope)
                return self.value(expression.body, {**scope, expression.name: bound})
            case Chain():
                return self._chain(expression, scope)
            case Call():
                return self._call(expression, scope)

    def _call(self, call: Call, scope: Scope) -> set[str]:
        arguments = [
            each.text
            if isinstance(each, Text)
            else each.value
            if isinstance(each, Depth)
            else self.value(each, scope)
            for each in call.arguments
        ]
        found = FUNCTIONS[call.function](self._graph, *arguments)
        if call.function == "some" and not found:
            error = query_error(self._text, call.span, "there is none of which some() could give one")
            self.problems.setdefault(error.render(), error)
        return found

    def path(self, call: Call) -> Sequence[str]:
        """Return the path that a call of `somepath` outside of every `let` means."""
        starts, ends = (self.value(each, {}) for each in call.arguments if not isinstance(each, Text | Depth))
        return shortest_path(self._graph, starts, ends)

    def _named(self, word: Word) -> set[str]:
        try:
            return set(self._graph.matching(word.text))
        except HermpkgError as error:
            for each in error.errors if isinstance(error, GroupedError) else [error]:
                told = told_of(self._text, word.span, each)
                self.problems.setdefault(told.render(), told)
            return set()

    def _chain(self, chain: Chain, scope: Scope) -> set[str]:
        value = self.value(chain.first, scope)
        for operator, operand in chain.rest:
            other = self.value(operand, scope)
            value = value | other if operator == "+" else value - other if operator == "-" else value & other
        return value
