"""Objects of packaged code in other processes."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest

from hermpkg_build import PackageImporter
from hermpkg_build.runtime.mangling import is_of_another_process

SOURCE = """
class Thing:
    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return type(other) is type(self) and other.value == self.value


def double(thing):
    return Thing(thing.value * 2)
"""
ELSEWHERE = """
import pickle, sys
from hermpkg_build import PackageImporter
ours = PackageImporter(sys.argv[2]) if len(sys.argv) > 2 else None
with open(sys.argv[1], "rb") as file:
    thing = pickle.load(file)
print(type(thing).__module__, thing.value)
print(ours is None or ours.import_module("lib").Thing is not type(thing))
"""


def elsewhere(data: bytes, tmp_path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "thing.pkl").write_bytes(data)
    command = [sys.executable, "-c", ELSEWHERE, str(tmp_path / "thing.pkl"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_take_and_give_packaged_objects(load, method) -> None:
    lib = load({"lib.py": SOURCE}).import_module("lib")
    with get_context(method).Pool(1) as pool:
        assert pool.map(lib.double, [lib.Thing(1), lib.Thing(2)]) == [lib.Thing(2), lib.Thing(4)]


def test_another_process_opens_the_artifact(load, tmp_path) -> None:
    importer = load({"lib.py": SOURCE})
    data = pickle.dumps(importer.import_module("lib").Thing(7), protocol=4)
    process = elsewhere(data, tmp_path)
    assert process.stdout == f"{importer.id()}.lib 7\nTrue\n", process.stderr


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_artifact_that_is_open_in_another_process_is_used(artifact, tmp_path, protocol) -> None:
    """Pickles before protocol 4 cannot say where an artifact lies, but names are those of its content."""
    path = artifact({"lib.py": SOURCE, "other.py": f"number = {protocol}"})
    with PackageImporter(path) as importer:
        data = pickle.dumps(importer.import_module("lib").Thing(7), protocol=protocol)
        process = elsewhere(data, tmp_path, path)
        assert process.stdout == f"{importer.id()}.lib 7\nFalse\n", process.stderr


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_no_artifact_is_taken_for_another(load, artifact, tmp_path, protocol) -> None:
    other = artifact({"lib.py": SOURCE + "    name = 'other'"}, name="other.pt")
    importer = load({"lib.py": SOURCE})
    data = pickle.dumps(importer.import_module("lib").Thing(7), protocol=protocol)
    process = elsewhere(data, tmp_path, other)
    if protocol >= 4:
        assert process.stdout == f"{importer.id()}.lib 7\nTrue\n", process.stderr
    else:
        assert "open it first, or pickle its objects with protocol 4 or later" in process.stderr


def test_two_importers_of_one_artifact_have_their_own_names(artifact) -> None:
    path = artifact({"lib.py": SOURCE})
    with PackageImporter(path) as one, PackageImporter(path) as other, PackageImporter(Path(path)) as third:
        assert len({one.id(), other.id(), third.id()}) == 3
        assert not {is_of_another_process(each.id()) for each in (one, other, third)} - {False}
    with PackageImporter(path) as again:
        assert again.id() not in {one.id(), other.id(), third.id()}


def test_another_artifact_is_not_taken_for_the_same(load, tmp_path) -> None:
    importer = load({"lib.py": SOURCE})
    data = pickle.dumps(importer.import_module("lib").Thing(7), protocol=4)
    with open(importer.filename, "ab") as file:
        file.write(b"\0")
    process = elsewhere(data, tmp_path)
    assert process.returncode == 1
    assert "was changed since the object was pickled" in process.stderr


def test_an_artifact_that_is_replaced_while_it_is_opened_is_another(artifact, tmp_path) -> None:
    path = artifact({"lib.py": SOURCE, ".data/python_version": "2.7"})
    other = artifact({"lib.py": SOURCE}, name="other.pt")

    def replace(*_: object) -> None:
        Path(other).replace(path)

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = replace  # That of the other Python is told while the artifact is opened.
        importer = PackageImporter(path)
    with importer:
        data = pickle.dumps(importer.import_module("lib").Thing(7), protocol=4)
    assert not Path(other).exists()
    assert "was changed since the object was pickled" in elsewhere(data, tmp_path).stderr


def test_an_importer_with_a_guard_does_not_travel(load, tmp_path) -> None:
    importer = load({"lib.py": SOURCE}, module_allowed=lambda name: True)
    process = elsewhere(pickle.dumps(importer.import_module("lib").Thing(7)), tmp_path)
    assert process.returncode == 1
    assert "is not open in this process: it was opened with module_allowed" in process.stderr


@pytest.fixture(params=[bytes, io.BytesIO], ids=["bytes", "stream"])
def in_memory(request, artifact) -> Iterator[PackageImporter]:
    data = Path(artifact({"lib.py": SOURCE})).read_bytes()
    with PackageImporter(request.param(data)) as importer:
        yield importer


def count(queue, thing, factory) -> None:
    queue.put(factory(thing).value)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_worker_starts_with_objects_of_an_artifact_in_memory(
    in_memory, method, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lib, context = in_memory.import_module("lib"), get_context(method)
    for _ in range(2):
        queue = context.SimpleQueue()
        process = context.Process(target=count, args=(queue, lib.Thing(4), lib.double))
        process.start()
        assert queue.get() == 8
        process.join()
    assert len(list(tmp_path.glob("hermpkg-*.pt"))) == 1
    in_memory.close()
    assert list(tmp_path.glob("hermpkg-*.pt")) == []


def test_other_processes_are_told_that_an_artifact_is_in_memory(in_memory, tmp_path) -> None:
    data = pickle.dumps(in_memory.import_module("lib").Thing(7))
    assert pickle.loads(data).value == 7
    process = elsewhere(data, tmp_path)
    assert process.returncode == 1
    assert "it was opened from memory; open it from a path" in process.stderr


def test_a_name_that_nothing_imports_may_be_stranded(in_memory, tmp_path) -> None:
    (tmp_path / "thing.pkl").write_bytes(pickle.dumps(in_memory.import_module("lib").__name__))
    code = "import pickle, sys\nprint(pickle.load(open(sys.argv[1], 'rb')))"
    command = [sys.executable, "-c", code, str(tmp_path / "thing.pkl")]
    assert subprocess.check_output(command, text=True) == f"{in_memory.id()}.lib\n"


def test_names_are_plain_strings_for_all_else(load) -> None:
    importer = load({"lib.py": SOURCE})
    lib = importer.import_module("lib")
    assert lib.__name__ == lib.Thing.__module__ == f"{importer.id()}.lib"
    assert pickle.loads(pickle.dumps(lib.__name__)) == lib.__name__
    assert pickle.loads(pickle.dumps(lib.Thing, protocol=2)) is lib.Thing


def test_names_pass_where_each_part_must_be_an_identifier(load) -> None:
    importer = load({"lib/__init__.py": "", "lib/part.py": SOURCE})
    part = importer.import_module("lib.part")
    for name in (part.__name__, part.__package__, part.Thing.__module__, part.double.__module__):
        parts = name.split(".")
        assert all(each.isidentifier() for each in parts)
        assert parts == str(name).split(".")
        assert type(pickle.loads(pickle.dumps(parts[0]))) is str
    assert part.__name__.split(".", 1) == [importer.id(), "lib.part"]
    assert part.__name__.split() == [part.__name__]
