"""What a factory's model is saved as: its storages in files, each once where they are small."""

from __future__ import annotations

import errno
import hashlib
import os
import zlib
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.factories import factory_exporter
from hermpkg_build.factories.factory_exporter import FactoryExporter
from hermpkg_build.factories.request import storage_file
from hermpkg_build.pickles.storages import copy_storages

torch = pytest.importorskip("torch")


def tensors() -> list[Any]:
    """Some are alike, small and large, and one shares its memory with another."""
    same = torch.ones(1000)
    large = [torch.full((20_000,), 7.0) for _ in range(2)]
    return [torch.zeros(10), torch.ones(1000), same, same[:5], *large, torch.zeros(10), torch.zeros(0)]


def saved(exporter: FactoryExporter, folder: Path) -> dict[int, bytes]:
    """The bytes of all storages by number, from the first file that has them."""
    found: dict[str, bytes] = {}
    for key, stored in enumerate(exporter.storages):
        if stored.digest.hash not in found:
            data = (folder / storage_file(key)).read_bytes()
            assert hashlib.sha256(data).hexdigest() == stored.digest.hash
            found[stored.digest.hash] = data
        assert zlib.crc32(found[stored.digest.hash]) == stored.crc32
    return {key: found[stored.digest.hash] for key, stored in enumerate(exporter.storages)}


def test_small_storages_with_the_same_bytes_are_one_file(tmp_path: Path) -> None:
    exporter = FactoryExporter(tmp_path, "//a:b")
    exporter.save_pickle("before", "one.pkl", torch.zeros(10))
    exporter.save_model(tensors())
    expected = [tensor.untyped_storage() for tensor in (torch.zeros(10), *tensors())]
    del expected[4]  # a part of the one before
    assert [*saved(exporter, tmp_path).values()] == [bytes(storage.tolist()) for storage in expected]
    files = [name for name in os.listdir(tmp_path) if name.endswith("storage")]
    assert len(files) == 5, "zeros, ones, nothing, and two that are large"


def test_what_there_was_no_room_for_is_written_when_it_is_saved_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    exporter = FactoryExporter(tmp_path, "//a:b")
    monkeypatch.setattr(factory_exporter, "copy_storages", fails)
    with pytest.raises(OSError, match="No space"):
        exporter.save_model(tensors())
    monkeypatch.setattr(factory_exporter, "copy_storages", copy_storages)
    exporter.save_model(tensors())
    assert len(saved(exporter, tmp_path)) == 7
