"""A folder of modules on the path, exports of them, and what is loaded again from those."""

import io
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

from hermpkg_build import PackageExporter, PackageImporter


class Project:
    """Modules in a folder of their own that is on ``sys.path`` for as long as the test runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.exported = b""
        self.opened: list[PackageImporter] = []

    def module(self, name: str, source: str = "") -> Path:
        """Write the source of a module; ``a.__init__`` is the package ``a``."""
        path = self.root / (name.replace(".", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
        return path

    def package(self, *names: str) -> None:
        """Write empty packages."""
        for name in names:
            self.module(f"{name}.__init__")

    def export(self, save, **arguments) -> bytes:
        """The package that `save` makes with an exporter."""
        stream = io.BytesIO()
        with PackageExporter(stream, **arguments) as exporter:
            save(exporter)
        self.exported = stream.getvalue()
        return self.exported

    def records(self, save, **arguments) -> dict[str, bytes]:
        """The records of the package that `save` makes, by name."""
        return records_of(self.export(save, **arguments))

    def load(self, save, **arguments) -> PackageImporter:
        """An importer of the package that `save` makes, open until the end of the test."""
        self.opened.append(PackageImporter(io.BytesIO(self.export(save, **arguments)), check="off"))
        return self.opened[-1]


def records_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def project(tmp_path, monkeypatch):
    root = tmp_path / "project"
    root.mkdir()
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    made = Project(root)
    yield made
    for importer in made.opened:
        importer.close()
    for name in set(sys.modules) - before:
        known = getattr(sys.modules[name], "__dict__", {})
        places = [known.get("__file__"), *(known.get("__path__") or ())]
        if any(str(place).startswith(str(tmp_path)) for place in places):
            del sys.modules[name]
