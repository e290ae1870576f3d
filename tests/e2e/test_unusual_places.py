"""A model is made again when a file changes, also one in memory, or one asked for by way of the kernel."""

from __future__ import annotations

import compileall
import json
import os
import py_compile
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build import PackageImporter
from hermpkg_build.factories.processor import describe_platform

MEMORY = Path("/dev/shm")
BUILD = """
python_modules(name = "modules", srcs = glob(["*.py"]))
model(name = "thing", factory = "app.factory:make", deps = [":modules"])
model_package(name = "app", models = {"m/x.pkl": ":thing"}, policy = [deny("**")], deps = [":modules"])
"""


@pytest.fixture
def in_memory() -> Iterator[Path]:
    """A folder in the file system that Linux keeps in memory."""
    if not os.access(MEMORY, os.W_OK):
        pytest.skip(f"no {MEMORY}")
    folder = Path(tempfile.mkdtemp(dir=MEMORY))
    yield folder
    shutil.rmtree(folder)


def written(workspace: Any, factory: str) -> Any:
    """The workspace with a model that `factory` makes."""
    workspace.write("pyproject.toml", "[tool.hermpkg]\n")
    workspace.build_file(BUILD)
    workspace.write("app/__init__.py", "")
    workspace.write("app/factory.py", factory)
    return workspace


def made(workspace: Any, **options: Any) -> Any:
    """The model of a build, after which nothing is left to do."""
    workspace.build("//app", **options)
    assert workspace.build("//app", **options).ran("make-model") == 0
    with PackageImporter(workspace.root / "hermpkg-out/app/app.pt") as importer:
        return importer.load_pickle("m", "x.pkl")


def test_a_workspace_in_memory(make_workspace: Any, in_memory: Path) -> None:
    factory = """
    import os
    from app import other

    def make():
        folder = os.path.dirname(__file__)
        return [other.X, open(f"{folder}/data.txt").read(), os.path.exists(f"{folder}/later.txt")]
    """
    workspace = written(make_workspace(in_memory / "workspace", in_memory / "cache"), factory)
    workspace.write("app/other.py", "X = 1\n")
    workspace.write("app/data.txt", "one")
    assert made(workspace) == [1, "one", False]
    workspace.write("app/other.py", "X = 2\n")
    assert made(workspace) == [2, "one", False]
    workspace.write("app/data.txt", "two")
    assert made(workspace) == [2, "two", False]
    workspace.write("app/later.txt", "")
    assert made(workspace) == [2, "two", True]


def test_a_library_and_a_file_in_memory(workspace: Any, in_memory: Path) -> None:
    for name in ("lib.py", "data.txt"):
        (in_memory / name).write_text("X = 1\n")
    path = str(in_memory / "data.txt")
    written(workspace, f"import lib\n\ndef make():\n    return [lib.X, open({path!r}).read()]\n")
    environment = {"PYTHONPATH": str(in_memory)}
    assert made(workspace, env=environment) == [1, "X = 1\n"]
    (in_memory / "data.txt").write_text("X = 2\n")
    assert made(workspace, env=environment) == [1, "X = 2\n"]
    (in_memory / "lib.py").write_text("X = 3\n")
    assert made(workspace, env=environment) == [3, "X = 2\n"]


BY_THE_KERNEL = {
    "current folder": "'/proc/self/cwd/data.txt'",
    "current folder of this process": "f'/proc/{os.getpid()}/cwd/data.txt'",
    "current folder of a thread": "f'/proc/{os.getpid()}/task/{os.getpid()}/cwd/data.txt'",
    "root": "'/proc/self/root' + os.getcwd() + '/data.txt'",
    "root by root": "'/proc/self/root/proc/self/cwd/data.txt'",
    "open folder": "f'/proc/self/fd/{os.open(\".\", os.O_RDONLY)}/data.txt'",
    "open folder among devices": "f'/dev/fd/{os.open(\".\", os.O_RDONLY)}/data.txt'",
}


@pytest.mark.skipif(sys.platform != "linux", reason="paths of Linux")
@pytest.mark.parametrize("path", BY_THE_KERNEL.values(), ids=BY_THE_KERNEL)
def test_a_path_by_the_kernel(workspace: Any, tmp_path: Path, path: str) -> None:
    (tmp_path / "data.txt").write_text("one")
    factory = "import os\n\ndef make():\n"
    factory += f"    os.chdir({str(tmp_path)!r})\n    path = {path}\n    return open(path).read()\n"
    written(workspace, factory)
    assert made(workspace) == "one"
    (tmp_path / "data.txt").write_text("two")
    assert made(workspace) == "two"


def compiled_alone(site: Path, value: int) -> None:
    """A module without its source."""
    source = site / "new.py"
    source.write_text(f"X = {value}\n")
    py_compile.compile(str(source), cfile=str(site / "lib.pyc"))
    source.unlink()


def compiled_for_good(site: Path, value: int) -> None:
    """A source, and what was compiled from another and says that it need not be compared with the source."""
    (site / "lib.py").write_text(f"X = {10 * value}\n")
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(site, quiet=2, force=True, invalidation_mode=mode)
    (site / "lib.py").write_text(f"X = {value}\n")


@pytest.mark.parametrize("install", [compiled_alone, compiled_for_good])
def test_an_installed_module_that_was_compiled(workspace: Any, tmp_path: Path, install: Any) -> None:
    site = tmp_path / "site"
    site.mkdir()
    written(workspace, "import lib\n\ndef make():\n    return lib.X\n")
    for value in (1, 2):
        install(site, value)
        assert made(workspace, env={"PYTHONPATH": str(site)}) == value


def test_what_was_computed_with_all_of_a_processor_is_noted_with_it(workspace: Any) -> None:
    """So that on another one nothing is taken for unchanged."""
    written(workspace, "def make():\n    return 1\n")

    def noted() -> set[str]:
        found = (workspace.root / "hermpkg-out").rglob("*.snapshot")
        return {json.loads(path.read_bytes().split(b"\n")[0])["processor"] for path in found}

    assert made(workspace) == 1
    assert noted() == {""}
    workspace.build_file(BUILD.replace("factory =", 'cpu = "native", factory ='))
    assert made(workspace) == 1
    processor = describe_platform(native=True)
    assert noted() == {processor}
    workspace.write("app/factory.py", "def make():\n    return 2\n")
    assert made(workspace) == 2
    assert noted() == {processor}


NATIVE_READS = {
    "a tensor": "torch.from_file({path!r}, size=4).clone()",
    "by its name": "torch.from_file(filename={path!r}, size=4).clone()",
    "a storage": "bytes(torch.UntypedStorage.from_file({path!r}, False, 16).tolist())",
    "a storage of one type": "torch.FloatStorage.from_file({path!r}, False, 4).tolist()",
    "a file that stays mapped": "mapped({path!r})",
}


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what is mapped")
@pytest.mark.parametrize("read", NATIVE_READS.values(), ids=NATIVE_READS)
def test_a_file_elsewhere_that_native_code_maps(workspace: Any, tmp_path: Path, read: str) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "data" / "numbers.bin"
    path.parent.mkdir()
    factory = """
    import ctypes, torch

    def mapped(path):
        libc = ctypes.CDLL(None)
        libc.mmap.restype = ctypes.c_void_p
        descriptor = libc.open(path.encode(), 0)
        address = libc.mmap(None, ctypes.c_size_t(16), 1, 2, descriptor, ctypes.c_long(0))
        libc.close(descriptor)
        return ctypes.string_at(address, 16)

    def make():
        return READ
    """
    written(workspace, factory.replace("READ", read.format(path=str(path))))
    found = []
    for value in (1.0, 2.0):
        path.write_bytes(bytes(torch.full((4,), value).untyped_storage().tolist()))
        found.append(str(made(workspace)))
    assert found[0] != found[1]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what is mapped")
def test_what_a_factory_wrote_and_maps_is_no_input(workspace: Any, tmp_path: Path) -> None:
    factory = f"""
    import mmap

    def make():
        with open({str(tmp_path / "own.bin")!r}, "wb") as file:
            file.write(b"1234")
        with open({str(tmp_path / "own.bin")!r}, "rb") as file:
            make.kept = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        return make.kept[:]
    """
    assert made(written(workspace, factory)) == b"1234"
    (tmp_path / "own.bin").write_bytes(b"5678")
    assert workspace.build("//app").ran("make-model") == 0
