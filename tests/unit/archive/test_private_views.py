"""Views of records, which can be written to, are those of the records that are asked for, in any order."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

import pytest

from hermpkg_build.archive import reader, record_sweep
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.errors import ArchiveError


class Unseekable(io.BytesIO):
    """A stream that is only written to, in front of whose records nobody knows their checksums."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise io.UnsupportedOperation


STORAGES = {f".data/{n}.storage": bytes([n % 256]) * (n * 37 % 9001) for n in range(300)}


def archive_with(storages: dict[str, bytes], stream: io.BytesIO, deflated: str) -> bytes:
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("r/.data/version", b"6\n")
        for name, data in storages.items():
            way = zipfile.ZIP_DEFLATED if name == deflated else zipfile.ZIP_STORED
            file.writestr(f"r/{name}", data, compress_type=way)
    return stream.getvalue()


@pytest.mark.parametrize("mapped", [True, False, None])
@pytest.mark.parametrize("stream", [io.BytesIO, Unseekable])
@pytest.mark.parametrize("order", ["in turn", "backwards", "twice", "mixed"])
def test_private_views_are_the_records_in_any_order(
    tmp_path: Path, mapped: bool | None, stream: type[io.BytesIO], order: str
) -> None:
    path = tmp_path / "many.pt"
    path.write_bytes(archive_with(STORAGES, stream(), ".data/200.storage"))
    names = [*STORAGES]
    if order == "backwards":
        names.reverse()
    elif order == "twice":
        names = [name for name in names for _ in range(2)]
    elif order == "mixed":
        random.Random(1).shuffle(names)
    with ArchiveReader(path) as reader:
        for views in (reader.private_views(mapped), reader.private_views(mapped, names)):
            kept = [(name, views(name)) for name in names]
            assert [name for name, view in kept if view != STORAGES[name]] == []
            assert not any(view.readonly for _, view in kept)


@pytest.mark.parametrize("mapped", [True, False, None])
@pytest.mark.parametrize("place", ["header", "bytes"])
def test_a_damaged_record_keeps_no_other_from_being_read(
    tmp_path: Path, mapped: bool | None, place: str
) -> None:
    path, bad = tmp_path / "many.pt", ".data/100.storage"
    data = bytearray(archive_with(STORAGES, Unseekable(), ".data/200.storage"))
    at = data.index(f"r/{bad}".encode()) + len(f"r/{bad}") * (place == "bytes")
    data[at] ^= 1
    path.write_bytes(data)
    with ArchiveReader(path) as reader:
        for views in (reader.private_views(mapped), reader.private_views(mapped, [*STORAGES])):
            for name, expected in STORAGES.items():
                if name != bad:
                    assert views(name) == expected
                    continue
                with pytest.raises(ArchiveError, match="is damaged"):
                    views(name)


@pytest.mark.parametrize("mapped", [True, False])
def test_what_was_found_ahead_is_not_given_once_the_file_was_written_over(
    tmp_path: Path, mapped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_sweep, "_FRESH_S", 0.0)
    path = tmp_path / "many.pt"
    path.write_bytes(archive_with(STORAGES, io.BytesIO(), ""))
    with ArchiveReader(path) as reader:
        views = reader.private_views(mapped)
        for number in range(6):
            assert views(f".data/{number}.storage") == STORAGES[f".data/{number}.storage"]
        path.write_bytes(
            archive_with({name: data[::-1] + b"x" for name, data in STORAGES.items()}, io.BytesIO(), "")
        )
        with pytest.raises(ArchiveError, match="was written over or"):
            views(".data/6.storage")


def test_no_record_is_looked_for_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "COPIED", 0)
    path, asked = tmp_path / "many.pt", list[str]()
    path.write_bytes(archive_with(STORAGES, io.BytesIO(), ""))
    names_from = record_sweep.PartsAhead.names_from

    def counted(ahead: record_sweep.PartsAhead, name: str) -> list[str]:
        names = names_from(ahead, name)
        asked.extend(names)
        return names

    monkeypatch.setattr(record_sweep.PartsAhead, "names_from", counted)
    for mapped in (True, False):
        with ArchiveReader(path) as opened:
            asked.clear()
            views = opened.private_views(mapped)
            assert all(views(name) == data for name, data in STORAGES.items())
            assert len(asked) < 3 * len(STORAGES)
