"""Modules on the path for the tests of one file, and the ways in which packages are written and opened."""

import io
import sys
import textwrap

import pytest


class Modules:
    """Writes modules to a folder on ``sys.path``; `forget` has them imported anew."""

    def __init__(self, root):
        self.root = root

    def write(self, name: str, source: str = ""):
        path = self.root / (name.replace(".", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
        return path

    def forget(self):
        for name, module in sys.modules.copy().items():
            known = getattr(module, "__dict__", {})
            places = [known.get("__file__"), *(known.get("__path__") or ())]
            if any(str(place).startswith(str(self.root)) for place in places):
                del sys.modules[name]


@pytest.fixture
def modules(tmp_path, monkeypatch):
    root = tmp_path / "modules"
    root.mkdir()
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    modules = Modules(root)
    yield modules
    modules.forget()


@pytest.fixture(params=["ours", "ours to stock", "stock to ours"])
def way(request):
    """An exporter and an importer: both ours, or one of them torch's."""
    import torch.package

    import hermpkg_build

    class Way:
        name = request.param
        exporting = torch.package if request.param == "stock to ours" else hermpkg_build
        importing = torch.package if request.param == "ours to stock" else hermpkg_build
        PackageExporter = exporting.PackageExporter
        PackageImporter = importing.PackageImporter
        sys_importer = exporting.sys_importer

        def export(self, save, **arguments) -> bytes:
            stream = io.BytesIO()
            with self.PackageExporter(stream, **arguments) as exporter:
                save(exporter)
            return stream.getvalue()

        def load(self, save, **arguments):
            return self.PackageImporter(io.BytesIO(self.export(save, **arguments)))

    return Way()
