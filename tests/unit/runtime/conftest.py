"""Fixtures: artifacts written by hand with zipfile, importers that are closed at the end of a test."""

from __future__ import annotations

import os
import textwrap
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from hermpkg_build import PackageImporter

Content = str | bytes


def write_artifact(
    path: str,
    files: Mapping[str, Content],
    externs: Sequence[str] = (),
    *,
    compression: int = zipfile.ZIP_STORED,
) -> str:
    """An archive of `files`; texts are dedented. Framework records not among them are added."""
    records: dict[str, Content] = {
        ".data/version": "6\n",
        ".data/extern_modules": "".join(f"{name}\n" for name in externs),
        **files,
    }
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in records.items():
            data = textwrap.dedent(content) if isinstance(content, str) else content
            file.writestr(f"thing/{name}", data)
    return path


@pytest.fixture
def artifact(tmp_path) -> Callable[..., str]:
    def make(files: Mapping[str, Content], externs: Sequence[str] = (), name: str = "thing.pt") -> str:
        return write_artifact(os.fspath(tmp_path / name), files, externs)

    return make


@pytest.fixture
def load(artifact) -> Iterator[Callable[..., PackageImporter]]:
    opened: list[PackageImporter] = []

    def open_files(
        files: Mapping[str, Content], /, externs: Sequence[str] = (), **options
    ) -> PackageImporter:
        importer = PackageImporter(artifact(files, externs, f"thing{len(opened)}.pt"), **options)
        opened.append(importer)
        return importer

    yield open_files
    for importer in opened:
        importer.close()
