"""Real paths for packaged code that reads files by them."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from hermpkg_build.errors import ArchiveError, LocalEnvironmentError
from hermpkg_build.runtime.contents import unpacking
from hermpkg_build.runtime.contents.pruning import unpacked_limit
from hermpkg_build.runtime.contents.unpacking import unpack

LIB = {
    "lib/__init__.py": """
        import os
        HERE = os.path.dirname(__file__)
        with open(os.path.join(HERE, "version.txt")) as file:
            version = file.read()
        listed = sorted(os.listdir(HERE))
    """,
    "lib/sub/__init__.py": "",
    "lib/sub/leaf.py": "def where():\n    return __file__\n",
    "lib/version.txt": "1.2",
    "other/__init__.py": "",
}
EXTERNS = ["os", "importlib", "pkgutil", "sys", "inspect"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HERMPKG_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def manifest(*tops: str) -> dict[str, str]:
    """A manifest that only says whose code reads files."""
    value = {
        "format": 1,
        "tool": {"name": "hermpkg", "version": "0"},
        "python_version": "",
        "records": {},
        "modules": {},
        "distributions": {},
        "requires": {},
        "models": {},
        "real_files": list(tops),
    }
    return {".data/hermpkg/manifest.json": json.dumps(value)}


def test_code_reads_and_lists_the_files_beside_it(load, cache) -> None:
    lib = load(LIB, EXTERNS, files="real").import_module("lib")
    assert lib.version == "1.2"
    assert lib.listed == ["__init__.py", "sub", "version.txt"]
    assert lib.__file__.startswith(str(cache))
    assert lib.__path__ == [os.path.dirname(lib.__file__)]


def test_the_default_is_mangled_as_it_is_in_torch(load, cache) -> None:
    importer = load(LIB, EXTERNS)
    assert importer.import_module("other").__file__ == f"{importer.id()}.other/__init__.py"
    with pytest.raises(FileNotFoundError):
        importer.import_module("lib")
    assert not cache.exists()


def test_the_manifest_says_which_packages_see_real_paths(load) -> None:
    importer = load({**LIB, **manifest("lib")}, EXTERNS, verify="off")
    assert importer.import_module("lib").version == "1.2"
    assert importer.import_module("other").__file__ == f"{importer.id()}.other/__init__.py"
    refused = load({**LIB, **manifest("lib")}, EXTERNS, verify="off", files="mangled")
    with pytest.raises(FileNotFoundError):
        refused.import_module("lib")


def test_an_unknown_mode_is_refused(artifact) -> None:
    from hermpkg_build import PackageImporter

    with pytest.raises(ValueError, match="'sometimes'"):
        PackageImporter(artifact(LIB), files="sometimes")


def test_source_data_and_resources_are_found_by_real_paths(load) -> None:
    importer = load(
        {
            **LIB,
            "main.py": """
                import importlib.resources
                import importlib.util
                import pkgutil
                import lib
                data = pkgutil.get_data("lib", "version.txt")
                names = [info.name for info in pkgutil.walk_packages(lib.__path__, "lib.")]
                text = importlib.resources.files("lib").joinpath("version.txt")
                spec = importlib.util.find_spec("lib.sub.leaf")
                loaded = spec.loader.get_data(spec.origin)
            """,
        },
        EXTERNS,
        files="real",
    )
    main, leaf = importer.import_module("main"), importer.import_module("lib.sub.leaf")
    assert main.data == b"1.2"
    assert main.names == ["lib.sub", "lib.sub.leaf"]
    assert isinstance(main.text, Path)
    assert main.text.read_text() == "1.2"
    assert main.loaded == Path(leaf.where()).read_bytes()
    assert inspect.getsource(leaf.where) == "def where():\n    return __file__\n"


@pytest.mark.parametrize("files", ["real", "mangled"])
def test_code_may_load_its_own_files_by_their_location(load, files) -> None:
    importer = load(
        {
            "lib/__init__.py": "",
            "lib/helper.py": "value = 5\n",
            "lib/plugin.py": "from .helper import value\nimport lib.helper\nsame = lib.helper.value\n",
            "main.py": """
                import importlib.util
                import os
                import sys
                import lib
                path = os.path.join(os.path.dirname(lib.__file__), "plugin.py")
                spec = importlib.util.spec_from_file_location("lib.loaded", path)
                module = importlib.util.module_from_spec(spec)
                sys.modules["lib.loaded"] = module
                spec.loader.exec_module(module)
                again = importlib.util.spec_from_file_location(
                    "lib", lib.__file__, submodule_search_locations=lib.__path__
                )
                elsewhere = importlib.util.spec_from_file_location("elsewhere", "/nowhere/x.py")
            """,
        },
        EXTERNS,
        files=files,
    )
    main = importer.import_module("main")
    assert (main.module.value, main.module.same) == (5, 5)
    assert main.module.__name__ == f"{importer.id()}.lib.loaded"
    assert main.again.name == f"{importer.id()}.lib"
    assert main.again.submodule_search_locations == main.lib.__path__
    assert main.elsewhere.name == f"{importer.id()}.elsewhere"
    assert "lib.loaded" not in sys.modules


def test_a_name_of_a_file_and_a_folder_is_told(load) -> None:
    importer = load({"lib/__init__.py": "where = __file__\n", "lib/a": "", "lib/a/b": ""}, files="real")
    with pytest.raises(ArchiveError, match="no disk can hold both") as caught:
        importer.import_module("lib")
    assert ("record", "lib/a") in caught.value.facts


def test_an_unpacked_folder_is_its_own_place(artifact, tmp_path, cache) -> None:
    import zipfile

    from hermpkg_build import PackageImporter

    with zipfile.ZipFile(artifact(LIB, EXTERNS)) as file:
        file.extractall(tmp_path / "open")
    with PackageImporter(tmp_path / "open" / "thing", files="real") as importer:
        lib = importer.import_module("lib")
    assert lib.__file__ == str(tmp_path / "open" / "thing" / "lib" / "__init__.py")
    assert not cache.exists()


FILES = {"a.txt": memoryview(b"a"), "sub/b.txt": memoryview(b"bb"), "empty": memoryview(b"")}


def contents(folder: str) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file()
    }


def test_equal_files_share_a_folder_and_others_have_their_own() -> None:
    folder = unpack(FILES)
    assert unpack(dict(reversed(FILES.items()))) == folder
    assert unpack({**FILES, "a.txt": memoryview(b"c")}) != folder
    assert contents(folder) == {name: bytes(content) for name, content in FILES.items()}
    assert os.listdir(os.path.dirname(folder)) != []
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o444 for path in Path(folder).rglob("*.txt"))


def test_what_was_changed_is_mended() -> None:
    folder = Path(unpack(FILES))
    (folder / "a.txt").unlink()
    (folder / "a.txt").write_bytes(b"x")
    (folder / "sub" / "b.txt").unlink()
    (folder / "stray.py").write_bytes(b"raise SystemExit")
    assert unpack(FILES) == str(folder)
    assert contents(str(folder)) == {name: bytes(content) for name, content in FILES.items()}


def test_a_cache_that_cannot_be_written_to_is_passed_over(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("HERMPKG_CACHE_DIR", str(tmp_path / "file" / "below"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = unpack(FILES)
    assert folder.startswith(str(tmp_path / f"hermpkg-{os.getuid()}"))
    assert contents(folder) == {name: bytes(content) for name, content in FILES.items()}


def test_the_place_among_temporary_files_lies_in_no_folder_that_others_may_have_made(
    tmp_path, monkeypatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("HERMPKG_CACHE_DIR", str(tmp_path / "file" / "below"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    place = Path(unpack(FILES)).parent
    assert place.parent == tmp_path
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_many_that_mend_at_once_do_not_take_each_others_files_for_strays(
    cache, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    files = {f"lib/f{n}": memoryview(b"x" * n) for n in range(20)}
    folder = unpack(files)

    def spoil_and_mend(number: int) -> set[str]:
        found = set()
        for turn in range(60):
            with suppress(FileNotFoundError):
                os.unlink(f"{folder}/lib/f{(number + turn) % 20}")
            Path(f"{folder}/lib/stray{turn}").touch()
            found.add(unpack(files))
        return found

    with ThreadPoolExecutor(4) as pool:
        assert set().union(*pool.map(spoil_and_mend, range(4))) == {folder}


def test_a_folder_that_others_can_write_to_is_passed_over(cache, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    place = cache / "unpacked" / "v1"
    place.mkdir(parents=True)
    place.chmod(0o777)
    folder = unpack(FILES)
    assert folder.startswith(str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LocalEnvironmentError) as caught:
        unpack(FILES)
    assert "others can write to it" in str(caught.value)
    assert "HERMPKG_CACHE_DIR" in str(caught.value)


def test_many_processes_may_unpack_at_once(cache) -> None:
    code = (
        "from hermpkg_build.runtime.contents.unpacking import unpack\n"
        "files = {f'f{n}': memoryview(b'x' * n) for n in range(200)}\n"
        "print(unpack(files))\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(6)
    ]
    folders = {process.communicate(timeout=300)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 6
    (folder,) = folders
    assert len(contents(folder.strip())) == 200
    assert [name for name in os.listdir(cache / "unpacked" / "v1") if name.startswith(".")] == []


HOLDER = """
import sys
from hermpkg_build.runtime.contents.unpacking import unpack
print(unpack({"held.txt": memoryview(b"h" * 1000)}), flush=True)
sys.stdin.readline()
"""
UNPACKER = """
import sys
from hermpkg_build.runtime.contents.unpacking import unpack
print(unpack({sys.argv[1]: memoryview(b"x" * 1000)}))
"""


def unpacked_by_another_process(name: str) -> Path:
    command = [sys.executable, "-c", UNPACKER, name]
    return Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


def test_what_was_not_used_for_longest_goes_and_what_is_held_stays(cache, monkeypatch) -> None:
    monkeypatch.setenv("HERMPKG_UNPACKED_LIMIT", "4K")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        held = Path(holder.stdout.readline().strip())
        folders = [unpacked_by_another_process(name) for name in ("a", "b", "c")]
        for age, folder in enumerate([held, *folders]):
            os.utime(folder, (1000 + age, 1000 + age))
        # Used again, without being made.
        assert unpacked_by_another_process("a") == folders[0]
        folders.append(unpacked_by_another_process("d"))
        assert [folder.exists() for folder in (held, *folders)] == [True, True, False, False, True]
        assert (held / "held.txt").read_bytes() == b"h" * 1000
        holder.communicate("\n")
    monkeypatch.setenv("HERMPKG_UNPACKED_LIMIT", "3K")
    unpacked_by_another_process("e")
    assert not held.exists()
    assert [name for name in os.listdir(cache / "unpacked" / "v1") if name.startswith(".")] == []


def test_a_folder_that_is_removed_meanwhile_is_made_again(cache, monkeypatch) -> None:
    """By somebody who knows no locks."""
    first = unpack(FILES)
    shutil.rmtree(first)
    assert contents(unpack(FILES)).keys() == FILES.keys()
    # Or just before it is held.
    hold = unpacking.hold_folder
    removals = iter([True, True])

    def too_late(folder: str) -> int | None:
        if next(removals, False):
            shutil.rmtree(folder)
        return hold(folder)

    shutil.rmtree(first)
    monkeypatch.setattr(unpacking, "hold_folder", too_late)
    assert contents(unpack(FILES)).keys() == FILES.keys()


@pytest.mark.parametrize(("text", "limit"), [("12", 12), ("3k", 3000), ("2GB", 2 * 10**9), ("", 4 * 10**9)])
def test_limits(monkeypatch, text, limit) -> None:
    monkeypatch.setenv("HERMPKG_UNPACKED_LIMIT", text)
    assert unpacked_limit() == limit


@pytest.mark.parametrize("text", ["G", "-1", "2 boxes", "many"])
def test_a_limit_that_is_no_number_is_told(cache, monkeypatch, text) -> None:
    monkeypatch.setenv("HERMPKG_UNPACKED_LIMIT", text)
    with pytest.raises(LocalEnvironmentError, match="HERMPKG_UNPACKED_LIMIT"):
        unpack(FILES)
