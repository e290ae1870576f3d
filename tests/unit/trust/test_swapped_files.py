"""Attacks between check and use: whatever is read of an accepted file is of the bytes that were accepted."""

from __future__ import annotations

import hashlib
import os
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from hermpkg_build import PackageImporter
from hermpkg_build.errors import ArchiveError
from hermpkg_build.trust.errors import TrustError
from hermpkg_build.trust.policy import TrustPolicy, TrustRule

GOOD, EVIL = b"GOOD", b"EVIL"


def write(path: Path, word: bytes) -> None:
    """An artifact of one size, whatever the word, whose records all hold it."""
    text = word.decode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in {
            ".data/version": "6\n",
            ".data/extern_modules": "",
            "app/words.py": f"WORD = {text!r}\n" + "#" * 70_000,
            "app/data.bin": word * 50_000,
            "app/late.py": f"WORD = {text!r}\n",
            "zz.txt": "z" * 70_000,
        }.items():
            file.writestr(zipfile.ZipInfo(f"thing/{name}"), content)


def digest_policy(path: Path) -> TrustPolicy:
    return TrustPolicy(
        rules=[TrustRule(sha256=hashlib.sha256(path.read_bytes()).hexdigest(), allow_all=True)]
    )


CODE_POLICY = TrustPolicy(rules=[TrustRule(modules="app.**")])


@contextmanager
def running(attack: Callable[[], None]) -> Iterator[None]:
    """Repeat an attack in another thread meanwhile."""
    stop = threading.Event()

    def repeat() -> None:
        while not stop.is_set():
            attack()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def use(path: Path, policy: TrustPolicy) -> set[bytes] | None:
    """The words that an importer of the file gives, None where it does not open or stops on the way."""
    try:
        importer = PackageImporter(path, trust=policy, verify="off")
    except (TrustError, ArchiveError):
        return None
    words: set[bytes] = set()
    with suppress(ArchiveError, ImportError):
        words.add(importer.import_module("app.words").WORD.encode())
        data = importer.load_binary("app", "data.bin")
        words.update(data[at : at + 4] for at in range(0, len(data), 4))
        importer.close()
    return words


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    good, evil, used = tmp_path / "good.pt", tmp_path / "evil.pt", tmp_path / "used.pt"
    write(good, GOOD)
    write(evil, EVIL)
    assert good.stat().st_size == evil.stat().st_size
    used.write_bytes(good.read_bytes())
    return good, evil, used


def test_of_two_files_that_are_swapped_only_the_accepted_one_is_ever_used(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    good, evil, used = files
    policy = digest_policy(good)
    swaps = 0

    def swap() -> None:
        nonlocal swaps
        for source in (evil, good):
            os.link(source, tmp_path / "next.pt")
            os.replace(tmp_path / "next.pt", used)
            swaps += 1

    with running(swap):
        results = []
        while swaps < 1000 or len(results) < 100:
            results.append(use(used, policy))
    assert {words for result in results if result for words in result} == {GOOD}


def test_links_that_are_swapped(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    good, evil, used = files
    policy = digest_policy(good)

    def swap() -> None:
        for source in (evil, good):
            (tmp_path / "next").symlink_to(source)
            os.replace(tmp_path / "next", used)

    with running(swap):
        results = [use(used, policy) for _ in range(100)]
    assert {words for result in results if result for words in result} <= {GOOD}


def test_what_is_written_in_place_is_never_used(files: tuple[Path, Path, Path]) -> None:
    good, evil, used = files
    policy = digest_policy(good)
    contents = good.read_bytes(), evil.read_bytes()

    def overwrite() -> None:
        with open(used, "r+b", buffering=0) as file:
            for content in contents:
                os.pwrite(file.fileno(), content, 0)

    with running(overwrite):
        results = [use(used, policy) for _ in range(100)]
    assert {words for result in results if result for words in result} <= {GOOD}


def test_control_to_compare_the_digest_before_opening_is_not_enough(files: tuple[Path, Path, Path]) -> None:
    good, evil, used = files
    assert used.read_bytes() == good.read_bytes()
    importer = PackageImporter(used)
    used.write_bytes(evil.read_bytes())
    with zipfile.ZipFile(used) as file:
        assert EVIL in file.read("thing/app/late.py")
    assert EVIL in importer._archive.view("app/data.bin").tobytes()


@pytest.mark.parametrize("closed", [True, False])
def test_modules_that_are_imported_later_are_those_that_were_judged(
    files: tuple[Path, Path, Path], closed: bool
) -> None:
    good, evil, used = files
    for attack in (lambda: used.write_bytes(evil.read_bytes()), lambda: os.replace(evil, used)):
        used.write_bytes(good.read_bytes())
        importer = PackageImporter(used, trust=CODE_POLICY)
        first = importer.import_module("app.words")
        attack()
        with suppress(ImportError, ArchiveError):
            late = importer.import_module("app.late")
            assert GOOD.decode() == late.WORD
        if closed:
            importer.close()
        assert GOOD.decode() == first.WORD
        write(evil, EVIL)
