"""Reads the text of a query. See https://bazel.build/query/language for the language."""

from __future__ import annotations

import re
from typing import cast

from hermpkg_build.core.spelling import question
from hermpkg_build.dataclass import replace
from hermpkg_build.query.expressions import (
    Call,
    Chain,
    Depth,
    Expression,
    Let,
    Operator,
    Span,
    Text,
    Variable,
    Word,
    Words,
)
from hermpkg_build.query.mistakes import query_error, syntax_error
from hermpkg_build.query.signatures import SIGNATURES, Signature, Takes
from hermpkg_build.query.tokens import Token, tokens_of

_OPERATORS = ("+", "-", "^")
_MOST_NESTED = 100
_MOST_STEPS = 2**31 - 1
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")


def parse(text: str) -> Expression:
    """Read a query. Raises CommandLineError where it cannot be read, QueryError for an unknown variable."""
    parser = _Parser(text)
    expression = parser.expression(frozenset())
    parser.finish()
    return expression


class _Parser:
    """The tokens of one query, and how far they have been read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(tokens_of(text))
        self._at = 0
        self._depth = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._next
        self._at += 1
        return token

    def _expect(self, kind: str, wanted: str, next_step: str = "") -> Token:
        if self._next.kind != kind:
            raise self._unexpected(self._next, wanted, next_step)
        return self._take()

    def _unexpected(self, token: Token, wanted: str, next_step: str = "") -> Exception:
        if token.kind == "end":
            return syntax_error(self._text, token.span, f"ends where {wanted} should come", next_step)
        problem = f"has {token.text!r} where {wanted} should come"
        if token.kind in ("let", "in", "set", *_OPERATORS) and token.text.isalpha():
            next_step = next_step or f"a target of this name is written in quotes: '\"{token.text}\"'"
        return syntax_error(self._text, token.span, problem, next_step)

    def finish(self) -> None:
        """Check that nothing is left. Raises CommandLineError."""
        if self._next.kind != "end":
            raise self._unexpected(
                self._next,
                "an operator",
                "several patterns together are set(//a //b), or //a + //b"
                if self._next.kind in ("word", "quoted")
                else "",
            )

    def expression(self, known: frozenset[str]) -> Expression:
        """Read operands with operators between them; `known` are the variables that `let` has bound."""
        self._depth += 1
        if self._depth > _MOST_NESTED:
            raise syntax_error(self._text, self._next.span, f"is nested more than {_MOST_NESTED} deep")
        first = self._operand(known)
        rest: list[tuple[Operator, Expression]] = []
        while self._next.kind in _OPERATORS:
            operator = cast("Operator", self._take().kind)
            rest.append((operator, self._operand(known)))
        self._depth -= 1
        if not rest:
            return first
        return Chain(first=first, rest=tuple(rest), span=Span(first.span.start, rest[-1][1].span.end))

    def _operand(self, known: frozenset[str]) -> Expression:
        token = self._take()
        if token.kind == "(":
            inner = self.expression(known)
            end = self._expect(")", "a closing bracket")
            return replace(inner, span=Span(token.span.start, end.span.end))
        if token.kind == "let":
            return self._let(token, known)
        if token.kind == "set":
            return self._set(token)
        if token.kind == "word" and self._next.kind == "(":
            return self._call(token, known)
        if token.kind == "word" and token.text.startswith("$"):
            return self._variable(token, known)
        if token.kind in ("word", "quoted"):
            return Word(text=token.text, span=token.span)
        self._at -= 1
        raise self._unexpected(token, "an expression")

    def _let(self, start: Token, known: frozenset[str]) -> Let:
        name = self._expect("word", "the name of a variable", "write let x = //a/... in deps($x)")
        if not _VARIABLE.fullmatch(name.text):
            raise syntax_error(self._text, name.span, f"binds {name.text!r}, which cannot be a variable")
        self._expect("=", "'='")
        value = self.expression(known)
        self._expect("in", "'in'")
        body = self.expression(known | {name.text})
        span = Span(start.span.start, body.span.end)
        return Let(name=name.text, value=value, body=body, span=span)

    def _variable(self, token: Token, known: frozenset[str]) -> Variable:
        name = token.text[1:]
        if name not in known:
            step = question(token.text, [f"${each}" for each in known]) or f"bind it: let {name} = ... in ..."
            raise query_error(self._text, token.span, f"there is no variable {token.text}", step)
        return Variable(name=name, span=token.span)

    def _set(self, start: Token) -> Words:
        self._expect("(", "an opening bracket")
        words: list[Word] = []
        while self._next.kind in ("word", "quoted"):
            token = self._take()
            words.append(Word(text=token.text, span=token.span))
        end = self._expect(
            ")", "a pattern or a closing bracket", "set takes patterns with blanks between them: set(//a //b)"
        )
        return Words(words=tuple(words), span=Span(start.span.start, end.span.end))

    def _call(self, name: Token, known: frozenset[str]) -> Call:
        signature = SIGNATURES.get(name.text)
        if signature is None:
            step = question(name.text, SIGNATURES) or f"there are {', '.join(SIGNATURES)}"
            problem = f"has {name.text!r}, which is no function"
            raise syntax_error(self._text, name.span, problem, step)
        self._take()
        arguments: list[Expression | Text | Depth] = []
        for index, takes in enumerate(signature.takes):
            if index:
                may_end = len(signature.takes) - index <= signature.optional
                if self._next.kind == ")" and may_end:
                    break
                wanted = "a comma or a closing bracket" if may_end else "a comma"
                self._expect(",", wanted, _usage(signature))
            arguments.append(self._argument(takes, signature, known))
        while signature.many and self._next.kind == ",":
            self._take()
            arguments.append(self._argument(signature.takes[-1], signature, known))
        end = self._expect(")", "a closing bracket", _usage(signature))
        span = Span(name.span.start, end.span.end)
        return Call(function=signature.name, arguments=tuple(arguments), span=span)

    def _argument(
        self, takes: Takes, signature: Signature, known: frozenset[str]
    ) -> Expression | Text | Depth:
        if takes is Takes.TARGETS:
            return self.expression(known)
        token = self._next
        if takes is Takes.DEPTH:
            if (
                token.kind != "word"
                or not re.fullmatch("[0-9]+", token.text)
                or int(token.text) > _MOST_STEPS
            ):
                raise self._unexpected(token, "a whole number", _usage(signature))
            self._take()
            return Depth(value=int(token.text), span=token.span)
        if token.kind not in ("word", "quoted"):
            raise self._unexpected(token, "a word", f"{_usage(signature)}\nput it into quotes")
        self._take()
        if takes is Takes.PATTERN:
            self._check_pattern(token)
        return Text(text=token.text, span=token.span)

    def _check_pattern(self, token: Token) -> None:
        try:
            re.compile(token.text)
        except re.error as error:
            problem = f"{token.text!r} is not a regular expression: {error.msg}"
            raise query_error(self._text, token.span, problem) from None


def _usage(signature: Signature) -> str:
    return f"usage: {signature.usage}"
