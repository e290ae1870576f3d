"""What expressions mean, over a graph that is written down."""

from __future__ import annotations

from typing import Any

import pytest

from hermpkg_build.query.evaluation import answer
from hermpkg_build.query.functions import FUNCTIONS
from hermpkg_build.query.signatures import SIGNATURES

DIAMOND = "//a:top //a:left //b:right_public //b/c:end"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("//a:top", "//a:top"),
        ("deps(//a:top)", f"{DIAMOND} //b/c:end.py"),
        ("deps(//a:top, 0)", "//a:top"),
        ("deps(//a:top, 1)", "//a:top //a:left //b:right_public"),
        ("rdeps(//..., //b/c:end)", f"//a:top_test {DIAMOND}"),
        ("allrdeps(//b/c:end)", f"//a:top_test {DIAMOND}"),
        ("allrdeps(//b/c:end, 1)", "//b/c:end //a:left //b:right_public"),
        ("rbuildfiles(a/BUILD, 'b/m.bzl')", "//a/BUILD //b/m.bzl"),
        ("rdeps(//a:left, //b/c:end)", "//a:left //b/c:end"),
        ("rdeps(//..., //b/c:end, 1)", "//b/c:end //a:left //b:right_public"),
        ("rdeps(//a:left, //d:apart)", ""),
        ("allpaths(//a:top, //b/c:end)", DIAMOND),
        ("allpaths(//b/c:end, //a:top)", ""),
        ("somepath(//a:top, //d:apart)", ""),
        ("kind(source, deps(//a:top))", "//b/c:end.py"),
        ("filter('^//b[/:]', //...)", "//b:right_public //b/c:end //b/c:end.py"),
        ("attr(name, '^t', //...)", "//a:top //a:top_test"),
        ("attr(nothing, '', //...)", ""),
        ("labels(deps, //a:top + //d:apart)", "//a:left //b:right_public"),
        ("tests(//...)", "//a:top_test"),
        ("buildfiles(//a:top + //a:left)", "//a:BUILD //tools:m.bzl"),
        ("loadfiles(//a:top)", "//tools:m.bzl"),
        ("siblings(//b/c:end)", "//b/c:end //b/c:end.py"),
        ("visible(//a:left, //a:top + //b:right_public + //d:apart)", "//a:top //b:right_public"),
        ("same_pkg_direct_rdeps(//b/c:end.py + //b/c:end)", "//b/c:end"),
        ("some(//a:top + //a:left)", "//a:left"),
        ("some(//..., 2)", "//a:left //a:top"),
        ("let v = deps(//a:top) in $v - $v + //d:apart", "//d:apart"),
        ("set(//a:top //d:apart) ^ //d:...", "//d:apart"),
        ("//a:top + //a:left - //a:top + //a:top", "//a:top //a:left"),
    ],
)
def test_meanings(graph: Any, text: str, expected: str) -> None:
    found = answer(text, graph)
    assert not found.problems
    assert set(found.labels) == set(expected.split())


def test_a_path_is_in_order(graph: Any) -> None:
    found = answer("somepath(//a:top_test, //b/c:end.py + //d:apart)", graph)
    assert found.path == ("//a:top_test", "//a:top", "//a:left", "//b/c:end", "//b/c:end.py")


def test_problems_are_collected_with_their_places_and_leave_the_rest_of_the_answer(graph: Any) -> None:
    found = answer("deps(//a:left) + //no:one + some(//d:apart - //d:apart) + //no:one", graph)
    assert set(found.labels) == {"//a:left", "//b/c:end", "//b/c:end.py"}
    assert [error.summary for error in found.problems] == [
        "no such target: //no:one",
        "there is none of which some() could give one",
        "no such target: //no:one",
    ]
    assert found.problems[0].snippet.split("\n")[1].index("^") == len("deps(//a:left) + ")


def test_every_signature_has_its_function() -> None:
    assert list(FUNCTIONS) == list(SIGNATURES)
