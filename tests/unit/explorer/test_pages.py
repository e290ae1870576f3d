"""The data of pages: every byte is somewhere, and nothing of an artifact can become markup."""

from __future__ import annotations

import importlib.util
import json
import pickle
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.writer import Record, write_archive
from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.explorer.artifact_page import artifact_page
from hermpkg_build.explorer.byte_tree import shares_of_storages
from hermpkg_build.explorer.chart_library import chart_programs
from hermpkg_build.explorer.difference_page import difference_page
from hermpkg_build.explorer.page import html_page
from hermpkg_build.inspection import pickle_records
from hermpkg_build.inspection.tensors import TensorFacts
from hermpkg_build.pickles.reading.nodes import contents_of_pickle

_SPEC = importlib.util.spec_from_file_location(
    "by_hand_for_page_data", Path(__file__).parents[1] / "inspection" / "conftest.py"
)
by_hand = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(by_hand)


@pytest.fixture
def make(tmp_path):
    def made(records: dict[str, bytes], name: str = "a.pt") -> ArchiveReader:
        path = tmp_path / name
        records = {".data/version": b"6\n", ".data/extern_modules": b"torch\n", **records}
        write_archive(str(path), root="net", records=[Record(name=n, content=d) for n, d in records.items()])
        return ArchiveReader(path)

    return made


RECORDS = {
    "model/model.pkl": by_hand.module(
        {"w": by_hand.tensor(0, (2, 3)), "v": by_hand.tensor(0, (3,), offset=6)}
    ),
    ".data/0.storage": bytes(400),
    ".data/7.storage": bytes(30),
    "p/__init__.py": b"import torch\n",
    "p/q.py": b"from p import r\n",
    "p/r.py": b"",
    "p/data.bin": bytes(100),
    "notes.txt": b"x",
}


def test_every_byte_is_somewhere(make):
    with make(RECORDS) as archive:
        page = artifact_page(archive)
        total = sum(archive.size(name) for name in archive.names())
    tree = page["tree"]
    assert sum(tree["bytes"]) == total
    assert all(parent < number for number, parent in enumerate(tree["parent"]))
    assert len({len(column) for column in tree.values()}) == 1


def test_imports_have_their_line(make):
    with make(RECORDS) as archive:
        page = artifact_page(archive)
    names, edges = page["modules"]["name"], page["edges"]
    shown = {
        (names[source], names[target]): (edges["line"][i], page["texts"][edges["text"][i]])
        for i, (source, target) in enumerate(zip(edges["source"], edges["target"], strict=True))
    }
    assert shown["p.q", "p.r"] == (1, "from p import r")
    assert shown["p", "torch"] == (1, "import torch")


class Trap:
    """Its pickle would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_nothing_of_an_artifact_runs(make, tmp_path):
    mark = tmp_path / "ran"
    code = f"open({str(mark)!r}, 'w')\n".encode()
    trap = pickle.dumps(Trap(mark))
    pickle.loads(trap)
    assert mark.exists()  # The trap works.
    mark.unlink()
    with make({"m/m.pkl": trap, "sitecustomize.py": code, "p/__init__.py": code}) as archive:
        artifact_page(archive)
        difference_page(archive, archive)
    assert not mark.exists()


SIZES = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 50)), max_size=6)


@given(SIZES, st.integers(0, 100), st.integers(0, 100))
def test_shares_add_up_to_the_storages(tensors, a, b):
    sizes = {"a": a, "b": b}
    facts = [
        TensorFacts(
            name="t",
            also=(),
            pickle="p",
            dtype="uint8",
            shape=(size,),
            bytes=size,
            storage=storage,
            storage_bytes=sizes[storage],
            in_storage=1,
        )
        for storage, size in tensors
    ]
    shares = list(shares_of_storages(facts))
    assert sum(size for _, size in shares) == sum(sizes[name] for name in {storage for storage, _ in tensors})
    assert all(size >= 0 for _, size in shares)


def test_differences_are_all_there(make):
    tensors = {"w": by_hand.tensor(0, (2, 3)), "u": by_hand.tensor(1, (4,)), "v": by_hand.tensor(2, (2,))}
    changed = {**tensors, "v": by_hand.tensor(2, (1,)), "n": by_hand.tensor(3, (1,))}
    storages = {f".data/{number}.storage": bytes(400) for number in range(4)}
    after = {**storages, ".data/0.storage": b"\0\0\x80\x3f" + bytes(396), "new.py": b"import os\n"}
    with (
        make({"m.pkl": by_hand.module(tensors), **storages}) as a,
        make({"m.pkl": by_hand.module(changed), **after}, "b.pt") as b,
    ):
        page = difference_page(a, b)
        same = difference_page(a, a)
    rows = {row["name"]: row for row in page["tensors"]}
    assert (rows["w"]["count"], rows["w"]["total"], rows["w"]["largest"]) == (1, 6, 1.0)
    assert rows["v"]["note"] == "another type or shape"
    assert rows["n"]["note"] == "added"
    assert "u" not in rows
    assert {"w", "v", "new.py"} <= set(page["tree"]["name"])
    assert page["changes"][-1]["details"][0]["lines"] == ["+import os"]
    assert (same["equal"], same["changes"], same["tensors"]) == (True, [], [])


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner, max_size=3), max_leaves=5))
def test_no_markup_can_begin_in_the_data(value):
    data = {"page": "artifact", "x": [value, "</script><!--<script>&amp;\u2028\x1b[2J\u202e"]}
    block = re.search(r'id="data">(.*?)</script>', _page(data), re.DOTALL)[1]
    assert not set(block) & set("<>&\x1b\u202e\u2028")
    assert json.loads(block)["x"][1].startswith("</script><!--<script>&amp;")


def _page(data: dict) -> str:
    pytest.importorskip("bokeh")
    return html_page(data)


def test_the_extra_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(LocalEnvironmentError, match="extra `look`") as caught:
        chart_programs()
    assert "pip install 'hermpkg-build[look]'" in caught.value.render()


def test_a_page_reads_each_pickle_once(make, monkeypatch):
    tensors = by_hand.module({"weight": by_hand.tensor(0, (2,))})
    archive = make({"a/a.pkl": tensors, "b/b.pkl": tensors + b" ", ".data/0.storage": bytes(8)})
    read = []

    def counted(data: bytes) -> object:
        read.append(bytes(data))
        return contents_of_pickle(data)

    monkeypatch.setattr(pickle_records, "contents_of_pickle", counted)
    assert len(artifact_page(archive)["tensors"]) == 2
    assert read == [tensors, tensors + b" "]
