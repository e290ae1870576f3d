"""How answers are printed."""

from __future__ import annotations

from typing import Any

import pytest

from hermpkg_build.query.evaluation import answer
from hermpkg_build.query.formats import FORMATS, Asked, as_json


def lines(graph: Any, text: str, output: str, **how: Any) -> list[str]:
    return list(FORMATS[output](Asked(answer=answer(text, graph), graph=graph, **how)))


def test_labels_are_sorted_by_package_and_then_by_name(graph: Any) -> None:
    assert lines(graph, "deps(//a:top)", "label") == [
        "//a:left",
        "//a:top",
        "//b:right_public",
        "//b/c:end",
        "//b/c:end.py",
    ]


@pytest.mark.parametrize("order", ["deps", "full"])
def test_each_can_stand_before_what_it_depends_on(graph: Any, order: str) -> None:
    assert lines(graph, "deps(//a:top)", "label", order=order) == [
        "//a:top",
        "//b:right_public",
        "//a:left",
        "//b/c:end",
        "//b/c:end.py",
    ]


def test_a_path_is_printed_from_its_start(graph: Any) -> None:
    assert lines(graph, "somepath(//a:top, //b/c:end)", "label") == ["//a:top", "//a:left", "//b/c:end"]


def test_kinds_places_packages_and_declarations(graph: Any) -> None:
    assert lines(graph, "//a:top + //b/c:end.py", "label_kind") == [
        "model rule //a:top",
        "source file //b/c:end.py",
    ]
    assert lines(graph, "//a:top", "location") == ["a/BUILD:7:1: model rule //a:top"]
    assert lines(graph, "deps(//a:top)", "package") == ["a", "b", "b/c"]
    assert lines(graph, "//a:top + //b/c:end.py", "build") == ["# a/BUILD:7:1", 'model(name = "top")', ""]


def test_ranks(make_graph: Any) -> None:
    long = make_graph({"//a:a": ["//a:b", "//a:d"], "//a:b": ["//a:c"], "//a:c": ["//a:d"]})
    assert lines(long, "deps(//a:a)", "minrank") == ["0 //a:a", "1 //a:b", "1 //a:d", "2 //a:c"]
    assert lines(long, "deps(//a:a)", "maxrank") == ["0 //a:a", "1 //a:b", "2 //a:c", "3 //a:d"]


def test_targets_on_a_cycle_have_one_rank(make_graph: Any) -> None:
    ring = make_graph(
        {"//a:a.py": ["//a:b.py"], "//a:b.py": ["//a:c.py"], "//a:c.py": ["//a:b.py", "//a:d.py"]}
    )
    expected = ["0 //a:a.py", "1 //a:b.py", "1 //a:c.py", "2 //a:d.py"]
    assert lines(ring, "deps(//a:a.py)", "minrank") == expected
    assert lines(ring, "deps(//a:a.py)", "maxrank") == expected
    assert sorted(lines(ring, "deps(//a:a.py)", "label", order="full")) == [each[2:] for each in expected]


def test_a_chain_of_any_length_has_ranks_and_an_order(make_graph: Any) -> None:
    chain = make_graph({f"//a:n{i}": [f"//a:n{i + 1}"] for i in range(3000)})
    assert lines(chain, "deps(//a:n0)", "maxrank")[-1] == "3000 //a:n3000"
    assert lines(chain, "deps(//a:n0)", "label", order="full")[-1] == "//a:n3000"


def test_targets_with_the_same_edges_share_a_box(make_graph: Any) -> None:
    fan = make_graph({"//a:a": ["//a:x.py", "//a:y.py"]})
    assert lines(fan, "deps(//a:a)", "graph") == [
        "digraph mygraph {",
        "  node [shape=box];",
        '  "//a:a"',
        '  "//a:a" -> "//a:x.py\\n//a:y.py"',
        '  "//a:x.py\\n//a:y.py"',
        "}",
    ]
    assert lines(fan, "deps(//a:a)", "mermaid", factored=False) == [
        "flowchart LR",
        '  n0["//a:a"]',
        '  n1["//a:x.py"]',
        '  n2["//a:y.py"]',
        "  n0 --> n1",
        "  n0 --> n2",
    ]


def test_imports_are_drawn_with_their_places(make_graph: Any) -> None:
    imports = make_graph({"//a:x.py": ["//a:y.py"]})
    assert '  "//a:x.py" -> "//a:y.py" [label="a/x.py:3:1"]' in lines(imports, "deps(//a:x.py)", "graph")
    assert '  n0 -->|"a/x.py:3:1"| n1' in lines(imports, "deps(//a:x.py)", "mermaid")
    assert lines(imports, "deps(//a:x.py)", "edges") == ["//a:x.py -> //a:y.py  a/x.py:3:1"]


def test_names_cannot_leave_their_quotes_in_drawings(make_graph: Any) -> None:
    odd = make_graph({'//a:q"]\n-->': ['//a:\\"<b>.py']})
    text = "//..."
    assert '  "//a:q\\"]\\n-->" -> "//a:\\\\\\"<b>.py"' in lines(odd, text, "graph")
    assert lines(odd, text, "mermaid")[1] == '  n0["//a:#92;#34;#60;b#62;.py"]'


def test_json_has_targets_and_edges_with_places(make_graph: Any) -> None:
    imports = make_graph({"//a:x.py": ["//a:y.py"]})
    value: Any = as_json(Asked(answer=answer("deps(//a:x.py)", imports), graph=imports))
    assert [target["label"] for target in value["targets"]] == ["//a:x.py", "//a:y.py"]
    assert value["targets"][0]["kind"] == "source file"
    assert value["edges"] == [
        {
            "source": "//a:x.py",
            "target": "//a:y.py",
            "kind": "import",
            "location": {"path": "a/x.py", "line": 3, "column": 1},
        }
    ]
