"""What queries can be read, and where errors point in those that cannot."""

from __future__ import annotations

import pytest

from hermpkg_build.errors import CommandLineError, ExitCode, HermpkgError, QueryError
from hermpkg_build.query.expressions import Call, Chain, Expression, Let, Text, Variable, Word, Words
from hermpkg_build.query.parser import parse


def shown(expression: object) -> str:
    """An expression with all its brackets."""
    match expression:
        case Word() | Text():
            return expression.text
        case Variable():
            return f"${expression.name}"
        case Words():
            return f"set({' '.join(word.text for word in expression.words)})"
        case Let():
            return f"(let {expression.name} = {shown(expression.value)} in {shown(expression.body)})"
        case Chain():
            rest = "".join(f" {operator} {shown(operand)}" for operator, operand in expression.rest)
            return f"({shown(expression.first)}{rest})"
        case Call():
            return f"{expression.function}({', '.join(map(shown, expression.arguments))})"
    return str(getattr(expression, "value", expression))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("//a", "//a"),
        ("'//a b'", "//a b"),
        ('"in"', "in"),
        ("//a + //b - //c ^ //d", "(//a + //b - //c ^ //d)"),
        ("//a union //b except //c intersect //d", "(//a + //b - //c ^ //d)"),
        ("//a - (//b - //c)", "(//a - (//b - //c))"),
        ("//a -//b", "(//a - //b)"),
        ("//c-d:all", "//c-d:all"),
        ("deps( //a ,2 )", "deps(//a, 2)"),
        ("deps(//a)", "deps(//a)"),
        ("kind('model rule', //a + //b)", "kind(model rule, (//a + //b))"),
        ("let x = //a in let y = $x in $y + $x", "(let x = //a in (let y = $x in ($y + $x)))"),
        ("set(//a '//b c' //d:*)", "set(//a //b c //d:*)"),
        ("set()", "set()"),
        ("deps", "deps"),
        ("größe/...", "größe/..."),
        ("//a\n  + //b", "(//a + //b)"),
    ],
)
def test_expressions(text: str, expected: str) -> None:
    assert shown(parse(text)) == expected


def place_of(error: HermpkgError) -> str:
    """What the carets of an error stand below."""
    line, carets = error.snippet.split("\n")
    return line[carets.index("^") : len(carets)]


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("deps(//a", "", "ends where a comma or a closing bracket should come"),
        ("deps(//a //b)", "//b", "has '//b' where a comma or a closing bracket should come"),
        ("//a //b", "//b", "an operator"),
        ("//a +", "", "ends where an expression should come"),
        ("deps(//a, x)", "x", "a whole number"),
        ("deps(//a, 9999999999)", "9999999999", "a whole number"),
        ("dep(//a)", "dep", "'dep', which is no function"),
        ("kind(//a)", ")", "a comma"),
        ("kind(deps(//a), //b)", "(", "a comma"),
        ("set(//a, //b)", ",", "a pattern or a closing bracket"),
        ("let in = //a in $in", "in", "the name of a variable"),
        ("let x //a in $x", "//a", "'='"),
        ("in", "in", "an expression"),
        ("'//a", "'", "a quote that is not closed"),
        ("*.py", "*", "a word that begins with *"),
        ("", "", "ends where an expression should come"),
        ("(" * 500 + "//a" + ")" * 500, "(", "nested more than 100 deep"),
    ],
)
def test_errors_point_at_the_place(text: str, place: str, told: str) -> None:
    with pytest.raises(CommandLineError) as caught:
        parse(text)
    assert told in caught.value.summary
    assert caught.value.exit_code is ExitCode.COMMAND_LINE
    if place:
        assert place_of(caught.value) == place


@pytest.mark.parametrize(
    ("text", "place", "step"),
    [
        ("let all = //a in deps($al)", "$al", "did you mean '$all'?"),
        ("deps($x)", "$x", "bind it: let x = ... in ..."),
        ("(let x = //a in $x) + $x", "$x", ""),
        ("kind('[', //a)", "'['", ""),
    ],
)
def test_what_can_be_read_and_not_answered(text: str, place: str, step: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert place_of(caught.value) == place
    assert step in caught.value.next_step


def test_an_unknown_function_is_told_with_the_one_that_is_meant() -> None:
    with pytest.raises(CommandLineError) as caught:
        parse("rdep(//a, //b)")
    assert caught.value.next_step == "did you mean 'rdeps'?"


def test_usage_is_told_where_arguments_are_wrong() -> None:
    with pytest.raises(CommandLineError) as caught:
        parse("somepath(//a)")
    assert caught.value.next_step == "usage: somepath(EXPR, EXPR)"


def test_the_line_of_an_error_is_that_in_a_file_of_several() -> None:
    with pytest.raises(CommandLineError) as caught:
        parse("deps(\n  //a,\n  zwei\n)")
    assert caught.value.snippet == "  zwei\n  ^^^^"


def test_many_operators_are_no_nesting() -> None:
    expression: Expression = parse(" + ".join(["//a"] * 5000))
    assert isinstance(expression, Chain)
    assert len(expression.rest) == 4999
