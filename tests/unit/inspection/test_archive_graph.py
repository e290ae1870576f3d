"""The graph of an artifact is worked out from the artifact alone."""

import io
import zipfile

import pytest

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.errors import ArchiveError, QueryError
from hermpkg_build.inspection.archive_graph import graph_of_archive
from hermpkg_build.inspection.why import all_imports, why, why_in_archive


def archive(records: dict[str, str | bytes]) -> ArchiveReader:
    """A stock archive with `records` beside those that every archive has."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in {".data/version": "6\n", ".data/extern_modules": "torch\n", **records}.items():
            file.writestr(f"root/{name}", data)
    return ArchiveReader(buffer.getvalue())


def chain(reader: ArchiveReader, module: str) -> list[tuple[str, str]]:
    """The chain to a module as (source, target) pairs."""
    return [(edge.source, edge.target) for edge in why(graph_of_archive(reader), module).chain]


def test_imports_are_followed_from_a_pickle():
    data = b"\x80\x03ca.b\nC\n."
    reader = archive(
        {
            "model/model.pkl": data,
            "a/__init__.py": "",
            "a/b.py": "from . import c\n",
            "a/c.py": "import torch\n",
        }
    )
    assert chain(reader, "torch") == [("model/model.pkl", "a.b"), ("a.b", "a.c"), ("a.c", "torch")]
    assert chain(reader, "a") == [("model/model.pkl", "a.b"), ("a.b", "a")]


def test_a_module_that_nothing_imports_is_what_the_artifact_asks_for():
    reader = archive({"a.py": "import b\n", "b.py": "", "c.py": ""})
    assert chain(reader, "b") == [("the artifact", "a"), ("a", "b")]
    assert chain(reader, "c") == [("the artifact", "c")]


def test_a_package_that_is_imported_by_the_name_of_its_file_too():
    reader = archive({"a/__init__.py": "import os\n", "a/b.py": "from .__init__ import os\n"})
    assert chain(reader, "a.__init__") == [("the artifact", "a.b"), ("a.b", "a.__init__")]


def test_the_stubs_of_torch_package_are_mocks():
    stub = "from _mock import MockedObject\n\ndef __getattr__(attr: str):\n    return MockedObject(attr)\n"
    reader = archive({"_mock.py": "class MockedObject: ...\n", "away.py": stub, "a.py": "import away\n"})
    assert graph_of_archive(reader).nodes["away"].policy is Policy.MOCK


def test_every_import_on_the_ways_to_a_module():
    """The nearest first; the loop and what does not lead there are left out."""
    reader = archive(
        {
            "a.py": "import b\nimport c\n",
            "b.py": "import d\n",
            "c.py": "try:\n  import d\nexcept ImportError: pass\nimport b\n",
            "d.py": "import b\nimport e\n",
            "e.py": "",
        }
    )
    edges = all_imports(graph_of_archive(reader), "d")
    pairs = [(edge.source, edge.target) for edge in edges]
    assert pairs == [("b", "d"), ("c", "d"), ("a", "b"), ("c", "b"), ("a", "c"), ("the artifact", "a")]
    assert [edge.optional for edge in edges][:2] == [False, True]


def test_a_data_file_is_there_for_the_module_beside_it():
    reader = archive({"p/__init__.py": "", "p/d/words.txt": "x", "main.py": "import p\n", "free.txt": "x"})
    graph = graph_of_archive(reader)
    record = why_in_archive(reader, graph, "p/d/words.txt").record
    assert [edge.source for edge in record.beside.chain] == ["the artifact", "main"]
    assert why_in_archive(reader, graph, "root/free.txt").record.beside is None
    assert why_in_archive(reader, graph, "p/__init__.py").record.beside.module.name == "p"


def test_only_what_the_answer_needs_is_read(monkeypatch):
    reader = archive({"a.py": "", "b.txt": "x", ".data/0.storage": bytes(8)})
    graph = graph_of_archive(reader)
    hashed = []
    sha256 = ArchiveReader.sha256
    monkeypatch.setattr(ArchiveReader, "sha256", lambda self, name: hashed.append(name) or sha256(self, name))
    why_in_archive(reader, graph, "a")
    assert hashed == []
    why_in_archive(reader, graph, "b.txt")
    assert hashed == ["b.txt"]


def test_a_cycle_that_nothing_imports_is_entered_once():
    reader = archive({"b.py": "import a\n", "a.py": "import b\n"})
    assert chain(reader, "b") == [("the artifact", "a"), ("a", "b")]


def test_a_module_with_the_name_of_the_root_folder():
    assert chain(archive({"root.py": "import os\n"}), "os") == [("the artifact", "root"), ("root", "os")]


def test_policies():
    graph = graph_of_archive(archive({"a.py": "import torch\nimport os.path\n"}))
    policies = {name: node.policy for name, node in graph.nodes.items()}
    assert policies["a"] is Policy.INTERN
    assert policies["torch"] is Policy.EXTERN
    assert policies["os"] is Policy.EXTERN


def test_a_list_of_externs_that_is_no_text():
    with pytest.raises(ArchiveError, match="not text"):
        graph_of_archive(archive({".data/extern_modules": b"\xff"}))


def test_what_is_not_there_is_asked_back():
    reader = archive({"helpers.py": ""})
    with pytest.raises(QueryError) as caught:
        why_in_archive(reader, graph_of_archive(reader), "helper")
    assert "did you mean helpers?" in caught.value.render()


def test_a_module_that_does_not_parse_stops_nothing():
    assert chain(archive({"a.py": "def (:\n", "b.py": "import a\n"}), "a") == [
        ("the artifact", "b"),
        ("b", "a"),
    ]


@pytest.mark.parametrize("name", ["my-pkg.mod", "1st.2nd", "the pkg.the mod", "class.for", "größe.maß"])
def test_modules_that_no_import_statement_can_name(name):
    assert chain(archive({f"{name.replace('.', '/')}.py": ""}), name) == [("the artifact", name)]
