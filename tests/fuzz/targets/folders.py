"""Unpacked artifacts: folders with pipes, devices, links and holes where files were."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from laws import Reader, broken_by, broken_by_telling, told
from mutation.archives import mutant
from target import Attempt, Target
from targets.archive_seeds import make_archives

from hermpkg_build import PackageImporter
from hermpkg_build.errors import HermpkgError

_HOLE = 1 << 40


def seeds(folder: Path) -> Mapping[str, bytes]:
    """Return archives that folders are made of."""
    return {name: data for name, data in make_archives(folder).items() if name != "repacked"}


def broken_laws(archive: bytes, attempt: Attempt) -> Iterator[str]:
    """Tell how reading a folder made of `archive` breaks a law: it opens, or an error says why not."""
    top = attempt.folder / "unpacked"
    shutil.rmtree(top, ignore_errors=True)
    root = _unpack(archive, top)
    if root is None:
        return
    _change_a_file(root, random.Random(attempt.number))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importer = PackageImporter(root, check=("off", "warn", "error")[attempt.number % 3])
    except HermpkgError as error:
        yield from broken_by_telling(error)
        return
    except Exception as error:
        yield told(error)
        return
    with warnings.catch_warnings(), contextlib.closing(importer):
        warnings.simplefilter("ignore")
        for name in ("model.pkl", "words.txt", "../net.py", "gone"):
            yield from broken_by(_reader_of(importer, name), b"")
        with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
            importer.import_module("fuzzed.net")
            importer.load_pickle("model", "model.pkl")
        str(importer.file_structure())


def _reader_of(importer: PackageImporter, name: str) -> Reader:
    """The reader of one record, whose name may be none, or that of a record that is gone."""
    return Reader(
        sound=b"",
        read=lambda _: importer.load_binary("model", name),
        raises=(ValueError, FileNotFoundError),
    )


def _unpack(archive: bytes, top: Path) -> Path | None:
    """Write the members of an archive as any program would; None where it cannot be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as file:
            for info in file.infolist():
                name = info.filename
                if info.is_dir() or os.path.isabs(name) or "\0" in name or ".." in name.split("/"):
                    continue
                with contextlib.suppress(OSError, ValueError):
                    (top / name).parent.mkdir(parents=True, exist_ok=True)
                    (top / name).write_bytes(file.read(info))
    except Exception:
        return None  # What zipfile makes of it is its own matter.
    return next((path for path in top.glob("*") if path.is_dir()), None)


def _change_a_file(root: Path, choose: random.Random) -> None:
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    ways: list[Callable[[Path], object]] = [
        os.mkfifo,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to(path),
        lambda path: path.symlink_to("/etc"),
        lambda path: path.symlink_to("/proc/self/mem"),
        lambda path: path.mkdir(),
        _with_a_hole,
        lambda path: path.with_name("a\x1b\n\u202e.py").touch(),
    ]
    for path in choose.sample(files, min(len(files), choose.choice((0, 1, 1, 3)))):
        path.unlink()
        choose.choice(ways)(path)


def _with_a_hole(path: Path) -> None:
    path.touch()
    os.truncate(path, _HOLE)


TARGET = Target(seeds=seeds, mutant=mutant, broken_laws=broken_laws)
