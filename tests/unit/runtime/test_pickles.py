"""Pickles without tensors: globals through the package only, on all protocols, without torch."""

from __future__ import annotations

import collections
import json
import pickle
import subprocess
import sys
import textwrap

import pytest

from hermpkg_build.runtime.contents.unpickling import PackageUnpickler

SHAPES = """
    class Outer:
        class Inner:
            def __init__(self, value=0): self.value = value
    class Point:
        def __init__(self, x): self.x = x
    def unpack(importer, *args): return importer, args
"""


def pickled(module: str, name: str, protocol: int = 3) -> bytes:
    """A pickle of the global `name` of `module`, which need not exist here."""
    if protocol >= 4:
        parts = [text.encode() for text in (module, name)]
        strings = b"".join(b"\x8c" + bytes([len(part)]) + part for part in parts)
        return b"\x80" + bytes([protocol]) + strings + b"\x93."
    header = b"\x80" + bytes([protocol]) if protocol >= 2 else b""
    return header + f"c{module}\n{name}\n.".encode()


def persistent(kind: bytes, *arguments: bytes) -> bytes:
    """A pickle of a persistent id: `kind` and opcodes of its other items."""
    return b"\x80\x03(X" + len(kind).to_bytes(4, "little") + kind + b"".join(arguments) + b"tQ."


def test_globals_come_from_the_package(load) -> None:
    importer = load(
        {
            "shapes.py": SHAPES,
            "p/three.pkl": pickled("shapes", "Point"),
            "p/four.pkl": pickled("shapes", "Outer.Inner", 4),
        }
    )
    assert importer.load_pickle("p", "three.pkl") is importer.import_module("shapes").Point
    assert importer.load_pickle("p", "four.pkl") is importer.import_module("shapes").Outer.Inner


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_objects_of_externs_on_every_protocol(load, protocol: int) -> None:
    value = {"ordered": collections.OrderedDict(a=1), "set": {1, 2}, "deque": collections.deque([b"x"])}
    importer = load({"p/v.pkl": pickle.dumps(value, protocol)}, ["collections", "_codecs", "copyreg"])
    assert importer.load_pickle("p", "v.pkl") == value


def test_names_of_python_2(load) -> None:
    importer = load(
        {"p/a.pkl": pickled("__builtin__", "xrange", 2), "p/b.pkl": pickled("__builtin__", "xrange")}
    )
    assert importer.load_pickle("p", "a.pkl") is range
    with pytest.raises(ModuleNotFoundError):
        importer.load_pickle("p", "b.pkl")


def test_a_global_that_is_not_listed_is_refused(load) -> None:
    importer = load({"p/evil.pkl": pickled("subprocess", "Popen")}, ["collections"])
    with pytest.raises(ModuleNotFoundError, match="subprocess"):
        importer.load_pickle("p", "evil.pkl")


@pytest.mark.parametrize("module", ["json", "json._part", "json._part_of_another_version"])
def test_parts_of_the_standard_library_that_other_versions_have(load, module: str) -> None:
    importer = load({"p/x.pkl": pickled(module, "loads")}, ["json", module])
    assert importer.load_pickle("p", "x.pkl") is json.loads


@pytest.mark.parametrize("module", ["json.__part", "json.part", "json._part._of_it", "_json_part", "nowhere"])
def test_only_private_parts_are_looked_for_elsewhere(load, module: str) -> None:
    importer = load({"p/x.pkl": pickled(module, "loads")}, ["json", module])
    with pytest.raises(ModuleNotFoundError, match=module.partition(".")[0]):
        importer.load_pickle("p", "x.pkl")


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
@pytest.mark.filterwarnings("ignore")
def test_numpy_has_its_parts_under_either_name(load, module: str, monkeypatch) -> None:
    numpy = pytest.importorskip("numpy")
    # As in versions that have nothing under the other name.
    other = "numpy._core" if numpy.__version__.startswith("1.") else "numpy.core"
    for name in [*sys.modules, other, f"{other}.multiarray"]:
        if name == other or name.startswith(f"{other}."):
            monkeypatch.setitem(sys.modules, name, None)
    importer = load({"p/x.pkl": pickled(module, "_reconstruct")}, ["numpy", module])
    assert callable(importer.load_pickle("p", "x.pkl"))


def test_reduced_objects(load) -> None:
    function = b"cshapes\nunpack\n"
    old = persistent(b"reduce_package", function, b"(K\x01K\x02t")
    new = persistent(b"reduce_package", b"K\x07", function, b"(K\x01t")
    importer = load({"shapes.py": SHAPES, "p/old.pkl": old, "p/new.pkl": new})
    assert importer.load_pickle("p", "old.pkl") == (importer, (1, 2))
    assert importer.load_pickle("p", "new.pkl") == (importer, (1,))


@pytest.mark.parametrize("data", [persistent(b"unknown"), persistent(b"storage"), b"\x80\x03K\x01Q."])
def test_persistent_ids_that_mean_nothing(load, data: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError, match="not a persistent id"):
        load({"p/x.pkl": data}).load_pickle("p", "x.pkl")


def test_a_missing_pickle_or_name(load) -> None:
    importer = load({"shapes.py": SHAPES, "p/x.pkl": pickled("shapes", "Gone")})
    with pytest.raises(FileNotFoundError):
        importer.load_pickle("p", "y.pkl")
    with pytest.raises(AttributeError, match="Gone"):
        importer.load_pickle("p", "x.pkl")


def test_nothing_of_this_imports_torch(artifact) -> None:
    script = """
        import sys
        from hermpkg_build import PackageImporter
        importer = PackageImporter(sys.argv[1])
        assert importer.load_pickle("p", "x.pkl")(3).x == 3
        assert importer.storage_context is None
        assert "torch" not in sys.modules
        assert not [name for name in sys.modules if name.startswith(("hermpkg_build.engine", "starlark"))]
    """
    path = artifact({"shapes.py": SHAPES, "p/x.pkl": pickled("shapes", "Point")})
    subprocess.run([sys.executable, "-c", textwrap.dedent(script), path], check=True)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_ends_early_or_goes_on_is_read_as_pickle_reads_it(protocol):
    data = pickle.dumps([*range(300), "word" * 50_000, b"bytes" * 50_000, {"a": 1.5}], protocol)
    ends = [*range(60), *range(60, len(data), 5_003), *range(len(data) - 60, len(data))]
    assert any(outcome_of(pickle.loads, data[:end]) is EOFError for end in ends)
    for read in [data + b"more", *(data[:end] for end in ends)]:
        assert outcome_of(lambda data: PackageUnpickler(__import__, data).load(), read) == outcome_of(
            pickle.loads, read
        ), len(read)


def outcome_of(load, data):
    """The object, or the type of what is raised."""
    try:
        return load(data)
    except (EOFError, ValueError, IndexError, pickle.UnpicklingError) as error:
        return type(error)
