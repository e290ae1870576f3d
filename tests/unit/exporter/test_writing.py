"""Where and when a package is written: all of it or nothing, and always the same bytes."""

import contextlib
import gc
import io
import os
import pickle
import subprocess
import sys
import weakref

import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef

from hermpkg_build import HermpkgError, PackageExporter, PackageImporter, PackagingError


def test_a_path_of_any_kind(tmp_path):
    for path in (tmp_path / "a.pt", str(tmp_path / "b.pt"), os.fsencode(tmp_path / "c.pt").decode()):
        with PackageExporter(path) as exporter:
            exporter.save_text("t", "a.txt", "hello")
        assert PackageImporter(path).load_text("t", "a.txt") == "hello"
    assert sorted(os.listdir(tmp_path)) == ["a.pt", "b.pt", "c.pt"]


def test_a_stream_is_written_from_where_it_stands(tmp_path):
    stream = io.BytesIO(b"")
    with PackageExporter(stream) as exporter:
        exporter.save_binary("t", "a", b"\0\1")
        assert not stream.getvalue()
    assert PackageImporter(io.BytesIO(stream.getvalue())).load_binary("t", "a") == b"\0\1"
    with open(tmp_path / "f.pt", "wb") as file, PackageExporter(file) as exporter:
        exporter.save_text("t", "a.txt", "x")
    assert (tmp_path / "f.pt").stat().st_size


@pytest.mark.parametrize("bad", ["no/such/folder/x.pt", "", ".", "folder", "pipe"])
def test_a_path_that_cannot_be_written_fails_at_once(tmp_path, monkeypatch, bad):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(HermpkgError) as caught:
        PackageExporter(bad)
    assert isinstance(caught.value, OSError)
    assert caught.value.next_step


@pytest.mark.parametrize("bad", [None, 5, io.StringIO(), object()])
def test_what_is_neither_path_nor_binary_stream(bad):
    with pytest.raises(TypeError):
        PackageExporter(bad)


@pytest.mark.parametrize("bad", [5, "text", [1, 2], None])
def test_what_is_no_bytes(bad):
    with PackageExporter(io.BytesIO()) as exporter, pytest.raises(TypeError):
        exporter.save_binary("t", "a", bad)


def test_a_version_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"numpy.*PEP 440"):
        PackageExporter(io.BytesIO(), requires={"numpy": "newest"})


def test_a_version_of_what_is_not_installed_is_told():
    exporter = PackageExporter(io.BytesIO(), requires={"numqy": ">=1", "NumPy": ">=1"})
    exporter.save_text("t", "a", "")
    with pytest.warns(UserWarning, match=r"names numqy, .* did you mean 'numpy'\?") as told:
        exporter.close()
    assert len(told) == 1


@pytest.mark.parametrize("bad", [None, "sys", [object()], PackageImporter])
def test_what_is_no_importer(bad):
    with pytest.raises(TypeError, match="importer"):
        PackageExporter(io.BytesIO(), importer=bad)


def fail_to_export(target, error):
    with PackageExporter(target) as exporter:
        exporter.save_text("t", "a.txt", "hello")
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_everything_as_it_was(tmp_path, error):
    path = tmp_path / "a.pt"
    path.write_bytes(b"the good one")
    stream = io.BytesIO(b"also good")
    for target in (path, stream):
        with pytest.raises(error):
            fail_to_export(target, error)
    assert path.read_bytes() == b"the good one"
    assert stream.getvalue() == b"also good"
    assert os.listdir(tmp_path) == ["a.pt"]


def close(exporter):
    exporter.close()


def fail(exporter):
    exporter.deny("json")
    exporter.add_dependency("json")
    with contextlib.suppress(PackagingError), exporter:
        pass


def fail_to_pickle(exporter):
    with contextlib.suppress(pickle.PicklingError):
        exporter.save_pickle("t", "lambda.pkl", {"t": lambda: None})
    exporter.close()


def save_torchscript(exporter):
    exporter.save_pickle("t", "script.pkl", torch.jit.script(torch.nn.Linear(2, 2)))
    exporter.close()


def ask_about_the_package(exporter):
    exporter.register_extern_hook(lambda _exporter, _name: None)
    exporter.close()
    exporter.externed_modules()
    exporter.file_structure()


@pytest.mark.parametrize("in_a_file", [True, False])
@pytest.mark.parametrize("end", [close, fail, fail_to_pickle, save_torchscript, ask_about_the_package, id])
def test_what_an_exporter_held_is_gone_with_it(tmp_path, end, in_a_file):
    tensor, model, stream = torch.ones(1 << 20), torch.nn.Linear(2, 2), io.BytesIO()
    exporter = PackageExporter(tmp_path / "a.pt" if in_a_file else stream)
    exporter.extern("**")
    exporter.save_pickle("t", "t.pkl", [tensor, model])
    end(exporter)
    gc.collect()
    gc.disable()
    try:
        held = [weakref.ref(each) for each in (exporter, stream, model)]
        memory = StorageWeakRef(tensor.untyped_storage())
        del exporter, stream, model, tensor
        assert [each() for each in held] == [None] * len(held)
        assert memory.expired()
    finally:
        gc.enable()


def test_a_failed_export_leaves_everything_as_it_was(tmp_path, project):
    path = tmp_path / "a.pt"
    path.write_bytes(b"the good one")
    with pytest.raises(PackagingError), PackageExporter(path) as exporter:
        exporter.save_source_string("m", "import not_there")
    assert path.read_bytes() == b"the good one"


def test_closing_twice_is_harmless_and_using_it_afterwards_is_not(tmp_path):
    exporter = PackageExporter(tmp_path / "a.pt")
    exporter.save_text("t", "a.txt", "x")
    exporter.close()
    (tmp_path / "a.pt").unlink()
    exporter.close()
    assert not (tmp_path / "a.pt").exists()
    for use in (
        lambda: exporter.save_text("t", "b.txt", "x"),
        lambda: exporter.save_pickle("t", "b.pkl", 1),
        lambda: exporter.save_module("os"),
        lambda: exporter.save_source_string("m", ""),
        lambda: exporter.intern("m"),
    ):
        with pytest.raises(ValueError, match="closed"):
            use()


@pytest.mark.parametrize("resource", ["", "a/b", "..", "."])
def test_names_that_no_resource_can_have(resource):
    exporter = PackageExporter(io.BytesIO())
    for save in (exporter.save_text, exporter.save_pickle):
        with pytest.raises(ValueError, match=r"name|segment"):
            save("t", resource, "x")


def test_a_name_is_used_once():
    exporter = PackageExporter(io.BytesIO())
    exporter.save_text("a.b", "c", "x")
    for save in (exporter.save_text, exporter.save_pickle):
        with pytest.raises(ValueError, match="is saved already"):
            save("a.b", "c", "x")


def test_unique_ids():
    exporter = PackageExporter(io.BytesIO())
    assert [exporter.get_unique_id() for _ in range(3)] == ["0", "1", "2"]


def test_the_folder_that_a_package_unpacks_to(tmp_path):
    import zipfile

    for root in ("archive", "my_model"):
        with PackageExporter(tmp_path / "a.pt", root=root) as exporter:
            exporter.save_text("t", "a.txt", "x")
        with zipfile.ZipFile(tmp_path / "a.pt") as archive:
            assert f"{root}/t/a.txt" in archive.namelist()


def test_the_bytes_do_not_depend_on_the_name_of_the_file(tmp_path):
    for name in ("one.pt", "another.zip"):
        with PackageExporter(tmp_path / name) as exporter:
            exporter.save_pickle("m", "m.pkl", {"a": {1, 2, 3}})
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "another.zip").read_bytes()


_SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from hermpkg_build import PackageExporter
import thing
def text(): return "".join(["s", "ame"])
with PackageExporter(sys.argv[2]) as e:
    e.mock(["m2", "m1"]); e.intern("thing*")
    e.save_pickle("m", "m.pkl", [{"x", "y", "zz", "w", thing.Thing()}, text(), text(), thing.Reduced()])
    e.save_text("t", "a.txt", "x")
"""


def test_two_processes_write_the_same_bytes(tmp_path, project):
    project.module(
        "thing",
        """\
        import m1, m2
        class Thing:
            pass
        class Reduced:
            def __reduce_package__(self, exporter):
                return restore, (exporter.get_unique_id(),)
        def restore(importer, number):
            return Reduced()
        """,
    )
    for module in ("m1", "m2"):
        project.module(module)
    written = []
    for seed in ("1", "2"):
        out = tmp_path / f"{seed}.pt"
        subprocess.run(
            [sys.executable, "-c", _SCRIPT, str(project.root), str(out)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
        )
        written.append(out.read_bytes())
    assert written[0] == written[1]


def test_the_manifest_says_what_the_environment_was(project):
    import importlib.metadata
    import json

    project.module("own", "import numpy, torch\n")
    records = project.records(
        lambda e: (e.extern("numpy.**"), e.save_module("own")), requires={"numpy": ">=1"}
    )
    manifest = json.loads(records[".data/hermpkg/manifest.json"])
    assert manifest["distributions"]["numpy"] == importlib.metadata.version("numpy")
    assert manifest["distributions"]["torch"].startswith("2.")
    assert manifest["modules"]["numpy"]["distribution"] == "numpy"
    assert manifest["requires"] == {"numpy": ">=1"}
    assert str(project.root) not in json.dumps(manifest)
