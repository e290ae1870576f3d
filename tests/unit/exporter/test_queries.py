"""What an exporter tells of its modules: lists, who needs what, graphs, the files to be."""

import io
import re

import pytest

from hermpkg_build import PackageExporter, PackagingError
from hermpkg_build.analyze import find_first_use_of_broken_modules


@pytest.fixture
def exporter(project):
    project.module("top", "import left_side, right_side\n")
    project.module("left_side", "import bottom\n")
    project.module("right_side", "import bottom\nimport top\n")
    project.module("bottom", "class Thing:\n    pass\n")
    import bottom

    exporter = PackageExporter(io.BytesIO())
    exporter.intern("**")
    exporter.save_module("top")
    exporter.save_pickle("objects", "thing.pkl", bottom.Thing())
    return exporter


def arrows(dot: str) -> set[tuple[str, str]]:
    assert dot.startswith("digraph")
    return set(re.findall(r'"([^"]+)" -> "([^"]+)"', dot))


def test_who_depends_on_a_module(exporter):
    assert exporter.get_rdeps("bottom") == ["<objects.thing.pkl>", "left_side", "right_side"]
    assert exporter.get_rdeps("top") == ["right_side"]
    assert exporter.get_rdeps("unheard_of") == []


def test_all_paths_in_a_graph_with_cycles(exporter):
    assert arrows(exporter.all_paths("top", "bottom")) == {
        ("top", "left_side"), ("top", "right_side"), ("left_side", "bottom"), ("right_side", "bottom"),
    }  # fmt: skip
    assert arrows(exporter.all_paths("<objects.thing.pkl>", "bottom")) == {("<objects.thing.pkl>", "bottom")}
    assert arrows(exporter.all_paths("bottom", "top")) == set()


def test_the_whole_graph(exporter):
    assert arrows(exporter.dependency_graph_string()) >= {
        ("top", "left_side"), ("right_side", "top"), ("<objects.thing.pkl>", "bottom"),
    }  # fmt: skip


def test_the_files_to_be_and_that_were(exporter):
    for _ in range(2):
        files = exporter.file_structure()
        assert files.has_file("objects/thing.pkl")
        assert files.has_file(".data/extern_modules")
        assert "top.py" in str(exporter.file_structure(include="*.py", exclude="bottom.py"))
        assert "bottom.py" not in str(exporter.file_structure(include="*.py", exclude="bottom.py"))
        exporter.close()
    assert exporter.interned_modules() == ["bottom", "left_side", "right_side", "top"]


def test_where_broken_modules_were_first_met(project):
    project.module("a", "import b, d1\n")
    project.module("b", "import d1, c\n")
    project.module("c", "import a, d2\n")
    for name in ("d1", "d2", "d3"):
        project.module(name, "class Thing:\n    pass\n")
    import d3

    exporter = PackageExporter(io.BytesIO(), debug=True)
    exporter.intern(["a", "b", "c"])
    exporter.deny("d*")
    exporter.save_module("a")
    exporter.save_pickle("m", "m.pkl", d3.Thing())
    with pytest.raises(PackagingError) as caught:
        exporter.close()
    assert find_first_use_of_broken_modules(caught.value) == {
        "d1": ["a", "d1"],
        "d2": ["a", "b", "c", "d2"],
        "d3": ["<m.m.pkl>", "d3"],
    }
    with pytest.raises(TypeError):
        find_first_use_of_broken_modules(ValueError())


def test_a_long_chain_of_modules(project):
    for number in range(1500):
        project.module(f"link_{number}", f"import link_{number + 1}\n")
    project.module("link_1500", "import gone_at_last\n")
    exporter = PackageExporter(io.BytesIO(), debug=True)
    exporter.intern("link_*")
    exporter.save_module("link_0")
    with pytest.raises(PackagingError) as caught:
        exporter.close()
    path = find_first_use_of_broken_modules(caught.value)["gone_at_last"]
    assert len(path) == 1502
    assert len(str(caught.value)) < 5000
    assert len(arrows(exporter.all_paths("link_0", "link_1500"))) == 1500
