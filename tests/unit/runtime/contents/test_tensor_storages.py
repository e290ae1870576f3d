"""Tensors are what was saved, or loading them is an error, whatever is written to the file meanwhile."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from hermpkg_build import PackageExporter, PackageImporter  # noqa: E402
from hermpkg_build.archive import reader  # noqa: E402
from hermpkg_build.errors import ArchiveError  # noqa: E402

SMALL, LARGE = 100, 100_000


def save(path: Path, value: float, large: int = LARGE) -> Path:
    with PackageExporter(path) as exporter:
        exporter.save_pickle("m", "small.pkl", torch.full((SMALL,), value))
        exporter.save_pickle("m", "large.pkl", torch.full((large,), value))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return save(tmp_path / "live.pt", 1.0)


@pytest.fixture
def large_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat files of any size as large ones, which are mapped."""
    monkeypatch.setattr(reader, "COPIED", 0)


@pytest.mark.parametrize("large", [LARGE, 1])
@pytest.mark.parametrize("map_option", [None, False])
def test_copied_tensors_stay_what_they_are(
    path: Path, tmp_path: Path, map_option, large: int, monkeypatch
) -> None:
    if map_option is False:
        monkeypatch.setattr(reader, "COPIED", 0)
    importer = PackageImporter(path, map=map_option)
    tensor = importer.load_pickle("m", "large.pkl")
    shutil.copyfile(save(tmp_path / "new.pt", 2.0, large), path)
    assert torch.equal(tensor, torch.ones(LARGE))
    with pytest.raises(ArchiveError, match="written over"):
        importer.load_pickle("m", "small.pkl")


@pytest.mark.usefixtures("large_files")
def test_mapped_tensors_of_a_file_that_was_written_over_are_not_given(path: Path, tmp_path: Path) -> None:
    importer = PackageImporter(path)
    assert importer.load_pickle("m", "large.pkl")[0] == 1
    shutil.copyfile(save(tmp_path / "new.pt", 2.0), path)
    for name in ("small.pkl", "large.pkl"):
        with pytest.raises(ArchiveError, match="written over"):
            importer.load_pickle("m", name)


@pytest.mark.parametrize("mapped", [True, False, None])
@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_what_is_loaded_again_is_what_was_saved(tmp_path: Path, size: int, mapped) -> None:
    path = tmp_path / "shared.pt"
    tensor = torch.ones(size)
    with PackageExporter(path) as exporter:
        exporter.save_pickle("m", "one.pkl", tensor)
        exporter.save_pickle("m", "other.pkl", [tensor])
    importer = PackageImporter(path, map=mapped)
    importer.load_pickle("m", "one.pkl").zero_()
    assert torch.equal(importer.load_pickle("m", "other.pkl")[0], tensor)


def test_exporters_write_beside_the_file_that_is_in_use(path: Path) -> None:
    importer = PackageImporter(path, map=True)
    tensor = importer.load_pickle("m", "large.pkl")
    save(path, 2.0)
    assert torch.equal(tensor, torch.ones(LARGE))
    assert torch.equal(importer.load_pickle("m", "small.pkl"), torch.ones(SMALL))


def flip(path: Path, size: int) -> None:
    """Change a bit of the tensor of `size` elements, and no time: as a disk does."""
    status, data = path.stat(), bytearray(path.read_bytes())
    data[data.index(torch.ones(size).numpy().tobytes()) + 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("mapped", [True, False, None])
@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_a_flipped_bit_is_noticed_where_tensors_are_small_or_copied(path: Path, size: int, mapped) -> None:
    flip(path, size)
    importer = PackageImporter(path, map=mapped)
    name = "small.pkl" if size == SMALL else "large.pkl"
    if mapped and size == LARGE:
        assert not torch.equal(importer.load_pickle("m", name), torch.ones(size))
    else:
        with pytest.raises(ArchiveError, match="do not match their checksum"):
            importer.load_pickle("m", name)
    with pytest.raises(ArchiveError, match="do not match their checksum"):
        PackageImporter(path, verify="all")


@pytest.mark.parametrize("mapped", [True, False, None])
def test_tensors_of_a_folder(path: Path, tmp_path: Path, mapped) -> None:
    with zipfile.ZipFile(path) as file:
        file.extractall(tmp_path / "unpacked")
    (folder,) = (tmp_path / "unpacked").iterdir()
    tensor = PackageImporter(folder, map=mapped).load_pickle("m", "large.pkl")
    for storage in folder.glob(".data/*.storage"):
        storage.write_bytes(torch.full((storage.stat().st_size // 4,), 2.0).numpy().tobytes())
    assert bool(torch.equal(tensor, torch.ones(LARGE))) == (not mapped)
