"""Expressions of the query language, as the parser makes them."""

from __future__ import annotations

from typing import Literal, TypeAlias

from hermpkg_build.dataclass import dataclass

Operator: TypeAlias = Literal["+", "-", "^"]
"""Union, difference, intersection."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the query's text, from the offset `start` up to `end`."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A target pattern."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A word that is given to a function: a regular expression, the name of an attribute."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """A number of steps that is given to a function."""

    value: int
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A name that a `let` around it binds, without its dollar sign."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """``set(a b c)``: all that any of the patterns names."""

    words: tuple[Word, ...]
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Let:
    """``let name = value in body``."""

    name: str
    value: Expression
    body: Expression
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """``first op second op third``: all operators bind alike, from the left."""

    first: Expression
    rest: tuple[tuple[Operator, Expression], ...]
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A function with its arguments."""

    function: str
    arguments: tuple[Expression | Text | Depth, ...]
    span: Span


Expression: TypeAlias = "Word | Variable | Words | Let | Chain | Call"
