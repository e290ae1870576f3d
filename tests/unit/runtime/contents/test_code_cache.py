"""Compiled code by the digest of its source."""

from __future__ import annotations

import hashlib
import marshal
import os
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hermpkg_build.disk.cache_directory import DAY_S
from hermpkg_build.runtime.contents.code_cache import CodeCache

SOURCE = b"import sys\n\ndef frame():\n    return sys._getframe().f_code.co_filename\n" + b"# padding\n" * 30


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HERMPKG_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "code"


def entries(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def run(source: bytes, filename: str) -> dict[str, object]:
    namespace: dict[str, object] = {}
    exec(CodeCache().compile(source, filename), namespace)
    return namespace


def test_the_second_time_code_comes_from_the_cache(folder, monkeypatch) -> None:
    first = run(SOURCE, "one.py")
    assert len(entries(folder)) == 1
    monkeypatch.setattr("hermpkg_build.runtime.contents.code_cache._compile", None)
    second = run(SOURCE, "two.py")
    assert first["frame"]() == "one.py"
    assert second["frame"]() == "two.py"


def test_another_source_is_another_entry(folder) -> None:
    run(SOURCE, "one.py")
    assert "more" in run(SOURCE + b"more = 1\n", "one.py")
    assert len(entries(folder)) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: b"",
        lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
        lambda data: marshal.dumps(compile("planted = True", "x", "exec")),
        lambda data: data[:32] + marshal.dumps(compile("planted = True", "x", "exec")),
    ],
)
def test_what_does_not_match_its_digest_is_compiled_again(folder, damage) -> None:
    run(SOURCE, "one.py")
    (entry,) = entries(folder)
    whole = entry.read_bytes()
    entry.write_bytes(damage(whole))
    namespace = run(SOURCE, "one.py")
    assert "planted" not in namespace
    assert namespace["frame"]() == "one.py"
    assert entry.read_bytes() == whole


def test_a_folder_that_others_can_write_to_is_not_used(folder) -> None:
    run(SOURCE, "one.py")
    (entry,) = entries(folder)
    entry.parent.chmod(0o777)
    entry.unlink()
    assert run(SOURCE, "one.py")["frame"]() == "one.py"
    assert entries(folder) == []


def test_an_entry_that_others_can_write_to_is_not_used(folder) -> None:
    run(SOURCE, "one.py")
    (entry,) = entries(folder)
    planted = marshal.dumps(compile("planted = True", "x", "exec"))
    entry.write_bytes(hashlib.sha256(planted).digest() + planted)
    assert "planted" in run(SOURCE, "one.py")
    entry.chmod(0o620)
    assert "planted" not in run(SOURCE, "one.py")
    assert "planted" not in run(SOURCE, "one.py")


def test_entries_are_the_users_own_whatever_the_umask(folder) -> None:
    before = os.umask(0)
    try:
        run(SOURCE, "one.py")
    finally:
        os.umask(before)
    (entry,) = entries(folder)
    assert stat.S_IMODE(entry.stat().st_mode) == 0o600


def test_threads_that_compile_the_same_do_not_take_away_each_others_files(folder, monkeypatch) -> None:
    barrier = threading.Barrier(2)
    replace = os.replace

    def replace_together(source: str, target: str) -> None:
        barrier.wait(120)
        replace(source, target)

    # Where files need a name to be written, which is all that threads could take away.
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    monkeypatch.setattr(os, "replace", replace_together)
    caches = [CodeCache(), CodeCache()]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda cache: cache.compile(SOURCE, "one.py"), caches))
    monkeypatch.setattr(os, "replace", replace)
    for number, cache in enumerate(caches):
        cache.compile(SOURCE + b"# %d\n" % number, "one.py")
    assert len(entries(folder)) == 3


def test_without_a_place_sources_are_compiled(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("HERMPKG_CACHE_DIR", str(tmp_path / "file"))
    assert run(SOURCE, "one.py")["frame"]() == "one.py"


def test_errors_are_those_of_compile() -> None:
    with pytest.raises(SyntaxError) as caught:
        CodeCache().compile(b"x = (\n" + SOURCE, "bad.py")
    assert caught.value.filename == "bad.py"


def test_optimised_code_is_kept_apart(folder) -> None:
    code = (
        "from hermpkg_build.runtime.contents.code_cache import CodeCache\n"
        'source = b\'try:\\n    assert False\\n    print("passed")\\nexcept AssertionError:\\n'
        "    print(\"failed\")\\n' + b'# padding\\n' * 30\n"
        "exec(CodeCache().compile(source, 'f'))\n"
    )
    printed = [
        subprocess.run(
            [sys.executable, *flags, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for flags in ([], ["-O"], [], ["-O"])
    ]
    assert printed == ["failed\n", "passed\n"] * 2
    assert len(entries(folder)) == 2


def test_packaged_modules_start_from_it(load, folder) -> None:
    files = {"lib.py": SOURCE.decode()}
    first, second = (load(files, ["sys"]).import_module("lib") for _ in range(2))
    assert len(entries(folder)) == 1
    assert first.frame() == first.__file__ != second.frame() == second.__file__
    assert not [path for path in entries(folder) if os.path.basename(path).startswith(".")]


def test_what_was_not_used_for_longest_goes_once_a_day(folder, monkeypatch) -> None:
    sources = [SOURCE + f"number = {number}\n".encode() for number in range(8)]
    for source in sources[:6]:
        run(source, "one.py")
    old, version = time.time() - 10 * DAY_S, folder / "v1"
    (kind,) = version.iterdir()
    for age, source in enumerate(sources[:6]):
        os.utime(kind / hashlib.sha256(source).hexdigest(), (old - age, old - age))
    # Reading marks it as used.
    run(sources[5], "one.py")
    size = os.path.getsize(entries(folder)[0])
    monkeypatch.setattr("hermpkg_build.runtime.contents.pruning.prune_code.__defaults__", (4 * size,))
    run(sources[6], "one.py")
    assert len(entries(folder)) == 7
    os.utime(version, (old, old))
    run(sources[7], "one.py")
    left = {path.name for path in entries(folder)}
    assert left == {hashlib.sha256(sources[number]).hexdigest() for number in (5, 6, 7)}
    for source in sources:
        assert run(source, "two.py")["frame"]() == "two.py"
