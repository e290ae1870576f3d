"""Errors of queries, each with the place in the expression that it is about."""

from __future__ import annotations

from collections.abc import Sequence

from hermpkg_build.errors import CommandLineError, HermpkgError, QueryError
from hermpkg_build.query.expressions import Span

_WIDTH = 100
"""So many characters of a long line are shown around a place."""


def marked(text: str, span: Span) -> str:
    """Return the line of `text` in which `span` begins, with carets below it.

    >>> print(marked("deps(//a, x)", Span(10, 11)))
    deps(//a, x)
              ^
    """
    start = text.rfind("\n", 0, span.start) + 1
    line = text[start:].partition("\n")[0]
    column = span.start - start
    cut = max(0, column - _WIDTH // 2)
    shown = line[cut : cut + _WIDTH].replace("\t", " ")
    width = max(1, min(span.end - span.start, len(shown) - (column - cut)))
    return f"{shown}\n{' ' * (column - cut)}{'^' * width}"


def syntax_error(text: str, span: Span, problem: str, next_step: str = "") -> CommandLineError:
    """Make the error for an expression that cannot be read."""
    return CommandLineError(f"the query {problem}", snippet=marked(text, span), next_step=next_step)


def query_error(text: str, span: Span, problem: str, next_step: str = "") -> QueryError:
    """Make the error for an expression that can be read, and not be answered."""
    return QueryError(problem, snippet=marked(text, span), next_step=next_step)


def told_of(text: str, span: Span, error: HermpkgError) -> QueryError:
    """Make of what is wrong with targets an error of the query that asks for them.

    Where the error shows a place in a BUILD file, that stays, and a fact says which part of the query asks.
    """
    asked = text[span.start : span.end]
    facts: Sequence[tuple[str, str]] = error.facts
    snippet = error.snippet
    if error.location is None and not snippet:
        snippet = marked(text, span)
    else:
        facts = [*facts, ("asked by", asked)]
    return QueryError(
        error.summary, location=error.location, facts=facts, snippet=snippet, next_step=error.next_step
    )


def of_graph(error: HermpkgError) -> QueryError:
    """Make of what is wrong with a BUILD file an error of the query that came upon it."""
    return QueryError(
        error.summary,
        location=error.location,
        facts=error.facts,
        snippet=error.snippet,
        next_step=error.next_step,
    )
