"""What loads artifacts runs on Windows and macOS: without what they lack, with their names and locks."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hermpkg_build.archive import file_names
from hermpkg_build.archive.file_names import problem_as_file
from hermpkg_build.archive.layout import problem_with_name
from hermpkg_build.archive.unpacked import UnpackedReader
from hermpkg_build.disk import concurrent_hash, descriptors
from hermpkg_build.disk.cache_directory import default_cache_directory
from hermpkg_build.disk.concurrent_hash import ConcurrentHash
from hermpkg_build.errors import ArchiveError
from hermpkg_build.exporter.package_exporter import PackageExporter
from hermpkg_build.runtime.importer import PackageImporter
from tests.release_programs import release_programs

PROGRAM = Path(__file__).with_name("as_on_windows.py")
needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="tells open files by /proc")


def as_on_windows(code: str, *words: str | Path, cache: Path) -> str:
    """What a program prints in a process that lacks what Windows lacks."""
    completed = subprocess.run(
        [sys.executable, str(PROGRAM), textwrap.dedent(code), *map(str, words)],
        env={**os.environ, "LOCALAPPDATA": str(cache), "HERMPKG_CACHE_DIR": "", "XDG_CACHE_HOME": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


@pytest.fixture
def artifact(tmp_path) -> Path:
    r"""An artifact with ``\r\n`` and 0x1A in its bytes, and code that reads files beside it."""
    path = tmp_path / "own.pt"
    with PackageExporter(path) as exporter:
        source = """
            import os
            import pkgutil

            HERE = os.path.dirname(__file__)

            def words():
                return pkgutil.get_data(__package__, "data/words.bin")

            def opened():
                with open(os.path.join(HERE, "data", "words.bin"), "rb") as file:
                    return file.read()
        """
        exporter.save_source_string(
            "own", textwrap.dedent(source) + "# long enough to keep\n" * 20, is_package=True
        )
        exporter.extern(["os", "pkgutil"])
        exporter.save_binary("own.data", "words.bin", b"a\r\nb\x1a\nc" * 1000)
        exporter.save_pickle("own", "numbers.pkl", {"one": list(range(1000))})
    return path


LOADS = """
    import os, sys, threading
    from hermpkg_build import PackageImporter
    from hermpkg_build.archive.reader import ArchiveReader
    source, folder, policy = sys.argv[1:]
    expected = b"a\\r\\nb\\x1a\\nc" * 1000
    for place, more in ((source, {}), (folder, {}), (source, {"files": "real"}), (source, {"trust": policy}),
                        (folder, {"trust": policy})):
        with PackageImporter(place, **more) as importer:
            own = importer.import_module("own")
            assert own.words() == expected, place
            assert importer.load_binary("own.data", "words.bin") == expected
            assert importer.load_pickle("own", "numbers.pkl")["one"][-1] == 999
            if more.get("files") or (place == folder and not more):
                assert own.opened() == expected
                assert not place == source or "own.pt" not in own.__file__
    print(os.path.relpath(own.__file__.partition("own")[0] or ".", "."), flush=True)

    # Threads that read one file without pread do not disturb each other.
    with ArchiveReader(source) as reader:
        wrong = []
        def read():
            for _ in range(200):
                if reader.read("own/data/words.bin") != expected:
                    wrong.append(1)
        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert not wrong
        # An open artifact stays what it is.
        try:
            os.replace(source, source + ".new")
        except PermissionError:
            pass
        else:
            raise AssertionError("the stand-in for Windows is none")
    os.replace(source, source + ".new")
    print(*sorted(path for path in held_paths() if source in path))
"""


@needs_proc
def test_artifacts_are_loaded_as_on_windows(artifact, tmp_path):
    with zipfile.ZipFile(artifact) as archive:
        archive.extractall(tmp_path / "unpacked")
    (folder,) = (tmp_path / "unpacked").iterdir()
    policy = tmp_path / "trust.toml"
    digest = hashlib.sha256(artifact.read_bytes()).hexdigest()
    policy.write_text(f'[[artifact]]\nsha256 = "{digest}"\nallow-all = true\n')
    cache = tmp_path / "Local"
    cache.mkdir()
    said = as_on_windows(LOADS, artifact, folder, policy, cache=cache).splitlines()
    assert said[1:] == [""]
    kept = {path.relative_to(cache).parts[:3] for path in cache.rglob("*") if path.is_file()}
    assert kept == {("hermpkg", "Cache", "code"), ("hermpkg", "Cache", "unpacked")}
    # A second process takes what the first has kept; nothing is left aside.
    place = cache / "hermpkg/Cache/unpacked/v1"
    names = sorted(os.listdir(place))
    assert not [name for name in names if name.startswith(".")]
    (tmp_path / "own.pt.new").rename(artifact)
    as_on_windows(LOADS, artifact, folder, policy, cache=cache)
    assert sorted(os.listdir(place)) == names


@needs_proc
def test_tensors_are_mapped_as_on_windows(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "tensors.pt"
    with PackageExporter(path) as exporter:
        exporter.save_pickle("model", "model.pkl", {"w": torch.arange(1 << 20)})
        exporter.extern("**")
    before = path.read_bytes()
    code = """
    # first: torch torch._utils
    import sys, torch
    from hermpkg_build import PackageImporter
    importer = PackageImporter(sys.argv[1])
    loaded, read = (load("model", "model.pkl")["w"] for load in (importer.load_pickle, importer.load_tensors))
    importer.close()
    assert torch.equal(loaded, torch.arange(1 << 20)) and torch.equal(read, loaded)
    loaded[:] = 7
    print(int(loaded.sum()), int(read[-1]))
    """
    assert as_on_windows(code, path, cache=tmp_path) == f"{7 << 20} {(1 << 20) - 1}\n"
    assert path.read_bytes() == before


def test_all_of_it_can_be_imported_as_on_windows(tmp_path):
    pytest.importorskip("torch")
    root = Path(__file__).parents[3]
    code = """
    # first: torch cryptography
    import sys
    sys.path.insert(0, sys.argv[1])
    from split import runtime_files
    for file in sorted(runtime_files()):
        if file.endswith(".py"):
            try:
                __import__(file[:-3].replace("/", ".").removesuffix(".__init__"))
            except Exception as error:  # Libraries that cannot be fooled.
                assert "the extra `sign`" in str(error), (file, error)
    """
    as_on_windows(code, root / "hermpkg_build/runtime/distribution", cache=tmp_path)


# Names.

segments = st.one_of(
    st.sampled_from(
        ["C:", "c:evil", "NUL", "nul.txt", "com1", "CONIN$", "lpt\xb9.x", "a ", "a.", "x:y", "a|b", "..."]
    ),
    st.text(st.characters(exclude_characters="/"), min_size=1, max_size=8),
)


@given(st.lists(segments, min_size=1, max_size=3).map("/".join))
@example("C:/Windows/x")
@example("data/aux")
def test_no_record_leads_out_of_its_folder_on_windows(name):
    if problem_with_name(name) or problem_as_file(name, platform="win32"):
        return
    folder = PureWindowsPath("D:/cache/folder")
    path = folder / name
    assert path.parts == (*folder.parts, *name.split("/"))
    assert path.anchor == folder.anchor
    assert not path.is_reserved()


@pytest.mark.parametrize(
    "name", ["own/data.txt", "own/.hidden/x.y", "a-b/c d.txt", "a" * 200, "nullable.txt", "é/ü"]
)
def test_usual_names_can_be_files_everywhere(name):
    assert not problem_as_file(name, platform="win32")
    assert not problem_as_file("a:b/nul", platform="linux")


def test_a_name_that_leads_elsewhere_is_no_record_of_an_unpacked_artifact(artifact, tmp_path, monkeypatch):
    with zipfile.ZipFile(artifact) as archive:
        archive.extractall(tmp_path / "unpacked")
    (folder,) = (tmp_path / "unpacked").iterdir()
    monkeypatch.setattr(
        "hermpkg_build.archive.unpacked.problem_as_file", lambda name: problem_as_file(name, platform="win32")
    )
    reader = UnpackedReader(folder)
    assert reader.has("own/__init__.py")
    assert not reader.has("C:/own")
    with pytest.raises(ArchiveError, match="cannot be the name of a record"):
        reader.read("own/data:stream")


def test_a_name_in_other_cases_is_no_record(artifact, tmp_path, monkeypatch):
    """On disks that find files by names in other cases, as those of Windows and macOS do."""
    with zipfile.ZipFile(artifact) as archive:
        archive.extractall(tmp_path / "unpacked")
    (folder,) = (tmp_path / "unpacked").iterdir()
    (folder / "OWN").symlink_to(folder / "own")
    listdir = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: [name for name in listdir(path) if name != "OWN"])
    assert UnpackedReader(folder).has("OWN/__init__.py")  # The control: here the stand-in for such a disk.
    monkeypatch.setattr(file_names.sys, "platform", "darwin")
    reader = UnpackedReader(folder)
    assert reader.has("own/__init__.py")
    assert not reader.has("OWN/__init__.py")
    with pytest.raises(ArchiveError, match="no such record"):
        reader.read("OWN/__init__.py")


def test_paths_of_windows_lead_to_records(artifact, monkeypatch):
    with PackageImporter(artifact, files="mangled") as importer:
        own = importer.import_module("own")
        path = own.__file__.replace("/", "\\").replace("__init__.py", "data\\words.bin")
        monkeypatch.setattr(os, "sep", "\\")
        assert own.__loader__.get_data(path) == b"a\r\nb\x1a\nc" * 1000


def test_the_cache_is_in_the_folder_of_the_system():
    environ = {"LOCALAPPDATA": "/users/jo/AppData/Local"}
    assert default_cache_directory(environ, platform="win32") == "/users/jo/AppData/Local/hermpkg/Cache"
    assert default_cache_directory({}, platform="win32").endswith("/AppData/Local/hermpkg/Cache")


def test_places_are_read_without_pread(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(bytes(range(256)))
    monkeypatch.delattr(os, "pread")
    monkeypatch.delattr(os, "preadv")
    descriptor = os.open(tmp_path / "file", descriptors.READ)
    try:
        assert descriptors.read_at(descriptor, 4, 254) == b"\xfe\xff"
        assert os.lseek(descriptor, 0, os.SEEK_CUR) == 0
        buffer = memoryview(bytearray(4))
        assert descriptors.read_into(descriptor, buffer, 3) == 4
        assert bytes(buffer) == b"\x03\x04\x05\x06"
    finally:
        os.close(descriptor)


def test_a_file_is_hashed_while_it_is_written_without_pread(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "pread")
    monkeypatch.setattr(concurrent_hash, "READS_ASIDE", False)
    pieces = [bytes([number]) * 100_000 for number in range(50)]
    with open(tmp_path / "file", "w+b", buffering=0) as file, ConcurrentHash(file.fileno()) as hashed:
        for piece in pieces:
            file.write(piece)
            hashed.advance(len(piece))
        digest = hashed.result()
    assert (tmp_path / "file").read_bytes() == b"".join(pieces)
    assert digest.hash == hashlib.sha256(b"".join(pieces)).hexdigest()


# Types.


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_types_are_right_on_other_systems(platform, tmp_path):
    api = pytest.importorskip("mypy.api")
    root = Path(__file__).parents[3]
    with pytest.MonkeyPatch.context() as patch, release_programs() as program:
        patch.chdir(root)
        files = sorted(file for file in program("split").runtime_files() if file.endswith(".py"))
        cache = root / ".mypy_cache" / platform
        words = [
            "--platform",
            platform,
            "--no-warn-unreachable",
            "--follow-imports=silent",
            f"--cache-dir={cache}",
        ]
        said, _, code = api.run([*words, *files])
    assert code == 0, said
