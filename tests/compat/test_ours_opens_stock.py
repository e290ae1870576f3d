"""Archives that torch.package writes, with every feature it has, open here and behave as they do there."""

from __future__ import annotations

import importlib
import io
import os
import pickle
import subprocess
import sys
import textwrap
import warnings
import zipfile
from collections.abc import Callable, Iterator

import pytest

torch = pytest.importorskip("torch")

from torch.package import PackageExporter  # noqa: E402
from torch.package import PackageImporter as StockImporter  # noqa: E402

import hermpkg_build  # noqa: E402
from hermpkg_build import PackageImporter, is_from_package  # noqa: E402
from hermpkg_build.errors import ArchiveError  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore:TypedStorage is deprecated", "ignore:.*torch.jit.*:DeprecationWarning"
)

SOURCES = {
    "zoo/__init__.py": "from zoo import layers\n",
    "zoo/layers.py": """
        import torch
        from torch import nn
        from .helpers.math import twice
        import zoo_optional

        class Net(nn.Module):
            def __init__(self, scripted=None):
                super().__init__()
                self.linear = nn.Linear(4, 4)
                self.scripted = scripted

            def forward(self, x):
                x = twice(self.linear(x))
                return x if self.scripted is None else self.scripted(x)

            def use_optional(self):
                return zoo_optional.anything()

        def scale(x):
            return x * torch.tensor(3.0)
    """,
    "zoo/helpers/__init__.py": "",
    "zoo/helpers/math.py": "def twice(x):\n    return x + x\n",
    "zoo/custom.py": """
        class Custom:
            def __init__(self, text):
                self.text = text

            def __reduce_package__(self, exporter):
                name = f"custom._{exporter.get_unique_id()}"
                exporter.save_text(name, "text.txt", self.text)
                return unpack, (name,)

        def unpack(importer, name):
            return Custom(importer.load_text(name, "text.txt") + " unpacked")
    """,
    "zoo_optional.py": "raise RuntimeError('never imported: mocked')\n",
    "zoo_external.py": "def answer():\n    return 42\n",
    "zoo_user.py": "import zoo_external\n\ndef ask():\n    return zoo_external.answer()\n",
}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory) -> Iterator[Callable[[str], object]]:
    """Imports a module of the sources above, in this process; they are on the path for this file only."""
    folder = tmp_path_factory.mktemp("zoo")
    for name, text in SOURCES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))
    optional = folder / "zoo_optional.py"
    executed = optional.read_text()
    optional.write_text("")  # torch.package imports what it mocks.
    sys.path.insert(0, str(folder))
    yield importlib.import_module
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.split(".")[0].startswith("zoo")]:
        del sys.modules[name]
    assert executed


def export(fill: Callable[[PackageExporter], None]) -> io.BytesIO:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with PackageExporter(buffer) as exporter:
            exporter.intern(["zoo.**", "zoo_user"])
            exporter.mock("zoo_optional")
            exporter.extern(["torch.**", "sys", "zoo_external", "numpy.**"])
            fill(exporter)
    buffer.seek(0)
    return buffer


def both(buffer: io.BytesIO) -> tuple[PackageImporter, StockImporter]:
    return PackageImporter(buffer), StockImporter(io.BytesIO(buffer.getvalue()))


@pytest.fixture
def torchscript_is_allowed(monkeypatch) -> None:
    monkeypatch.setattr("torch.package.package_exporter._gate_torchscript_serialization", False)


def test_a_model_computes_what_it_did(zoo) -> None:
    net = zoo("zoo.layers").Net()
    x = torch.randn(3, 4)
    ours, stock = both(export(lambda e: e.save_pickle("model", "net.pkl", net)))
    loaded = ours.load_pickle("model", "net.pkl")
    assert torch.equal(loaded(x), net(x))
    assert torch.equal(loaded(x), stock.load_pickle("model", "net.pkl")(x))
    assert type(loaded) is not type(net)
    assert is_from_package(loaded)
    assert is_from_package(ours.import_module("zoo"))
    assert not is_from_package(ours.load_text("model", "net.pkl", encoding="latin-1"))
    assert torch.package.is_from_package(loaded)
    assert ours.extern_modules == [name for name in stock.extern_modules if name]
    assert ours.python_version() == stock.python_version()
    assert str(ours.file_structure()) == str(stock.file_structure())
    only = {"include": ["**/*.py", "model/**"], "exclude": "zoo/helpers/**"}
    assert str(ours.file_structure(**only)) == str(stock.file_structure(**only))
    assert (
        ours.file_structure().has_file("zoo/layers.py")
        is stock.file_structure().has_file("zoo/layers.py")
        is True
    )


def test_loading_gives_no_warnings(zoo) -> None:
    buffer = export(lambda e: e.save_pickle("model", "net.pkl", zoo("zoo.layers").Net()))
    script = """
        import io, sys, warnings
        warnings.simplefilter("error")
        from hermpkg_build import PackageImporter
        with PackageImporter(io.BytesIO(sys.stdin.buffer.read())) as importer:
            importer.load_pickle("model", "net.pkl")
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], input=buffer.getvalue(), check=True, timeout=120
    )


def test_numpy_arrays(zoo) -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(6.0).reshape(2, 3)
    ours, stock = both(export(lambda e: e.save_pickle("a", "a.pkl", [array, numpy.dtype("int16")])))
    for importer in (ours, stock):
        loaded, dtype = importer.load_pickle("a", "a.pkl")
        assert (loaded == array).all()
        assert dtype == numpy.int16


def test_mocks_import_and_fail_in_use(zoo) -> None:
    ours, stock = both(export(lambda e: e.save_module("zoo.layers")))
    for importer in (ours, stock):
        net = importer.import_module("zoo.layers").Net()
        with pytest.raises(NotImplementedError, match="mocked out"):
            net.use_optional()


def test_externs_are_the_environments(zoo) -> None:
    ours, _ = both(export(lambda e: e.save_module("zoo_user")))
    assert ours.import_module("zoo_user").ask() == 42
    assert ours.import_module("zoo_user").zoo_external is sys.modules["zoo_external"]
    assert ours.import_module("zoo_external") is sys.modules["zoo_external"]


def test_sources_texts_and_bytes(zoo) -> None:
    def fill(exporter: PackageExporter) -> None:
        exporter.save_source_string("made.up", "def f(): return 'made'\n", is_package=True)
        exporter.save_source_string("made.up.inner", "from . import f\nvalue = f()\n")
        exporter.save_text("notes", "a.txt", "hello")
        exporter.save_binary("notes", "b.bin", b"\x00\x01")

    ours, stock = both(export(fill))
    for importer in (ours, stock):
        assert importer.import_module("made.up.inner").value == "made"
        assert importer.load_text("notes", "a.txt") == "hello"
        assert importer.load_binary("notes", "b.bin") == b"\x00\x01"
    assert ours.get_source("made.up") == stock.get_source("made.up")


TENSORS = {
    "float": lambda: torch.randn(3, 5),
    "strided": lambda: torch.randn(6, 4)[1::2, ::2].transpose(0, 1),
    "bfloat16": lambda: torch.randn(7).to(torch.bfloat16),
    "complex": lambda: torch.randn(3, dtype=torch.complex64),
    "bool": lambda: torch.tensor([True, False]),
    "empty": lambda: torch.empty(0, 3),
    "scalar": lambda: torch.tensor(3),
    "parameter": lambda: torch.nn.Parameter(torch.randn(2), requires_grad=True),
    "quantized": lambda: torch.quantize_per_tensor(torch.randn(4), 0.1, 3, torch.qint8),
    "sparse": lambda: torch.eye(3).to_sparse(),
    "conjugate": lambda: torch.randn(3, dtype=torch.complex64).conj(),
    "size": lambda: torch.Size([2, 3]),
    "dtype": lambda: torch.float16,
    "device": lambda: torch.device("cpu"),
}


@pytest.mark.parametrize("kind", TENSORS)
def test_tensors_of_every_kind(zoo, kind: str) -> None:
    value = TENSORS[kind]()
    ours, stock = both(export(lambda e: e.save_pickle("t", "t.pkl", value)))
    loaded, expected = ours.load_pickle("t", "t.pkl"), stock.load_pickle("t", "t.pkl")
    assert type(loaded) is type(expected)
    if not isinstance(value, torch.Tensor):
        assert loaded == expected
        return
    assert (loaded.dtype, loaded.shape, loaded.requires_grad) == (
        value.dtype,
        value.shape,
        value.requires_grad,
    )
    if loaded.layout is torch.strided:
        assert loaded.stride() == value.stride()
    plain = [t.dequantize() if t.is_quantized else t.to_dense() for t in (loaded.detach(), value.detach())]
    assert torch.equal(*plain)


def test_storages_are_shared_within_and_between_pickles(zoo) -> None:
    base = torch.arange(10.0)
    pair = [base[:5], base[5:], base.view(torch.int32)]

    def fill(exporter: PackageExporter) -> None:
        exporter.save_pickle("t", "pair.pkl", pair)
        exporter.save_pickle("t", "one.pkl", base)

    ours, _ = both(export(fill))
    first, second, integers = ours.load_pickle("t", "pair.pkl")
    whole = ours.load_pickle("t", "one.pkl")
    assert first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr() == whole.data_ptr()
    first[0] = 7.0
    assert whole[0] == 7.0
    assert integers[0] == torch.tensor(7.0).view(torch.int32)


def test_a_pickle_loaded_again_is_as_saved(zoo, tmp_path) -> None:
    path = tmp_path / "again.pt"
    path.write_bytes(export(lambda e: e.save_pickle("t", "t.pkl", torch.ones(4))).getvalue())
    before = path.read_bytes()
    with PackageImporter(path) as importer:
        once = importer.load_pickle("t", "t.pkl")
        once.zero_()
        assert torch.equal(importer.load_pickle("t", "t.pkl"), torch.ones(4))
        assert torch.equal(once, torch.zeros(4))
    assert path.read_bytes() == before
    assert torch.equal(once, torch.zeros(4))


LOCATIONS = {
    "none": lambda: None,
    "name": lambda: "cpu",
    "device": lambda: torch.device("cpu"),
    "mapping": lambda: {"cpu": "cpu"},
    "function": lambda: lambda storage, location: storage,
    "function giving none": lambda: lambda storage, location: None,
    "meta": lambda: "meta",
}


@pytest.mark.parametrize("kind", LOCATIONS)
def test_map_location(zoo, kind: str) -> None:
    location = LOCATIONS[kind]()
    value = torch.randn(4)
    loaded = PackageImporter(export(lambda e: e.save_pickle("t", "t.pkl", value))).load_pickle(
        "t", "t.pkl", location
    )
    assert loaded.device.type == ("meta" if kind == "meta" else "cpu")
    assert loaded.shape == value.shape
    assert kind == "meta" or torch.equal(loaded, value)


def test_reduce_package_keeps_identity(zoo) -> None:
    custom = zoo("zoo.custom").Custom("text")
    ours, stock = both(export(lambda e: e.save_pickle("c", "c.pkl", [custom, custom])))
    for importer in (ours, stock):
        one, other = importer.load_pickle("c", "c.pkl")
        assert one is other
        assert one.text == "text unpacked"


def test_torchscript_alone_inside_and_sharing_tensors(zoo, torchscript_is_allowed) -> None:
    scripted = torch.jit.script(torch.nn.Linear(4, 4))
    net = zoo("zoo.layers").Net(scripted)
    weight = scripted.weight
    x = torch.randn(2, 4)

    def fill(exporter: PackageExporter) -> None:
        exporter.save_pickle("m", "alone.pkl", scripted)
        exporter.save_pickle("m", "inside.pkl", net)
        exporter.save_pickle("m", "shared.pkl", [scripted, weight])
        exporter.save_pickle("m", "shared_other_way.pkl", [weight, scripted])

    ours, stock = both(export(fill))
    for importer in (ours, stock):
        assert torch.equal(importer.load_pickle("m", "alone.pkl")(x), scripted(x))
        assert torch.equal(importer.load_pickle("m", "inside.pkl")(x), net(x))
        for name in ("shared.pkl", "shared_other_way.pkl"):
            items = importer.load_pickle("m", name)
            module = next(item for item in items if isinstance(item, torch.nn.Module))
            tensor = next(item for item in items if not isinstance(item, torch.nn.Module))
            assert module.weight.data_ptr() == tensor.data_ptr()
    assert ours.storage_context is None
    assert ours.last_map_location is None


def test_torchscript_from_an_unpacked_folder(zoo, torchscript_is_allowed, tmp_path) -> None:
    scripted = torch.jit.script(torch.nn.Linear(4, 4))
    with zipfile.ZipFile(export(lambda e: e.save_pickle("m", "m.pkl", [scripted, torch.ones(3)]))) as file:
        file.extractall(tmp_path)
    (folder,) = tmp_path.iterdir()
    with PackageImporter(folder) as importer:
        loaded, tensor = importer.load_pickle("m", "m.pkl")
        x = torch.randn(2, 4)
        assert torch.equal(loaded(x), scripted(x))
        tensor.add_(1)
        assert torch.equal(importer.load_pickle("m", "m.pkl")[1], torch.ones(3))


def test_fx_graph_modules(zoo) -> None:
    traced = torch.fx.symbolic_trace(torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU()))
    x = torch.randn(2, 4)
    ours, _ = both(export(lambda e: e.save_pickle("m", "m.pkl", traced)))
    assert torch.equal(ours.load_pickle("m", "m.pkl")(x), traced(x))


def test_from_torchs_own_reader(zoo, tmp_path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(export(lambda e: e.save_pickle("t", "t.pkl", torch.ones(4))).getvalue())
    reader = torch._C.PyTorchFileReader(str(path))
    with PackageImporter(reader) as importer:
        assert torch.equal(importer.load_pickle("t", "t.pkl"), torch.ones(4))
        assert importer.zip_reader is reader
        assert str(importer.file_structure()).startswith("─── <pytorch_file_reader>\n")
    with PackageImporter(path) as importer:
        assert isinstance(importer.zip_reader, torch._C.PyTorchFileReader)
        assert importer.zip_reader.has_record(".data/version")


def test_torchs_own_reader_opens_what_has_a_manifest() -> None:
    stream = io.BytesIO()
    with hermpkg_build.PackageExporter(stream) as exporter:
        exporter.save_pickle("t", "t.pkl", torch.ones(4))
    stream.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        importer = PackageImporter(torch._C.PyTorchFileReader(stream), verify="all")
    assert torch.equal(importer.load_pickle("t", "t.pkl"), torch.ones(4))


def save_scripted(path, weight: float) -> None:
    linear = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(linear.weight, weight)
    with hermpkg_build.PackageExporter(path) as exporter:
        exporter.save_pickle("m", "m.pkl", torch.jit.script(linear))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="there is no path to a file without a name")
def test_torchscript_comes_from_the_file_that_was_opened(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_scripted("m.pt", 1.0)
    with PackageImporter("m.pt") as importer:
        save_scripted("m.pt", 2.0)
        monkeypatch.chdir("/")
        assert importer.load_pickle("m", "m.pkl").weight.item() == 1.0


def test_torchscript_in_a_stream_needs_the_stream_no_more(tmp_path) -> None:
    save_scripted(tmp_path / "m.pt", 1.0)
    stream = io.BytesIO((tmp_path / "m.pt").read_bytes())
    with PackageImporter(stream) as importer:
        stream.truncate(0)
        assert importer.load_pickle("m", "m.pkl").weight.item() == 1.0


def test_torchs_own_reader_lists_folders_which_are_no_records(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HERMPKG_CACHE_DIR", str(tmp_path))
    reader = torch._C.PyTorchFileReader(_packed({"lib/": "", "lib/__init__.py": "where = __file__\n"}))
    with PackageImporter(reader, files="real") as importer:
        assert importer.record_names() == [".data/version", ".data/extern_modules", "lib/__init__.py"]
        assert os.path.isfile(importer.import_module("lib").where)


@pytest.mark.parametrize("name", ["../../outside.py", "/tmp/outside.py", "lib\\outside.py"])
def test_torchs_own_reader_takes_names_that_ours_does_not(name: str) -> None:
    reader = torch._C.PyTorchFileReader(_packed({name: ""}))
    with pytest.raises(ArchiveError, match="not allowed") as error:
        PackageImporter(reader, files="real")
    assert ("record", repr(name)) in error.value.facts


def _packed(files: dict[str, str]) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, content in {".data/version": "6", ".data/extern_modules": "", **files}.items():
            file.writestr(f"thing/{name}", content)
    stream.seek(0)
    return stream


def test_archives_that_zip_tools_have_written_again(zoo, tmp_path) -> None:
    buffer = export(lambda e: e.save_pickle("model", "net.pkl", zoo("zoo.layers").Net()))
    path = tmp_path / "edited.pt"
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            data = old.read(info)
            if info.filename.endswith("helpers/math.py"):
                data = data.replace(b"x + x", b"x * 0")
            new.writestr(info.filename, data)
    with PackageImporter(path) as importer:
        assert importer.load_pickle("model", "net.pkl")(torch.ones(1, 4)).abs().sum() == 0


class _OldPickler(pickle._Pickler):
    """Writes persistent ids as torch 1.x did: storages by address, reductions without an id."""

    def persistent_id(self, obj: object) -> object:
        if isinstance(obj, torch.storage.TypedStorage):
            return ("storage", torch.FloatStorage, "94304870911616", "cpu", len(obj))
        if isinstance(obj, _Reduced):
            return ("reduce_package", _rebuild, ("saved",))
        return None


class _Reduced:
    pass


def _rebuild(importer: PackageImporter, text: str) -> tuple[PackageImporter, str]:
    return importer, text


def test_archives_of_torch_1(tmp_path) -> None:
    tensor = torch.randn(6)
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _OldPickler(stream, protocol=3).dump({"tensor": tensor, "reduced": _Reduced(), "order": {1, 2}})
    externs = f"torch\ntorch._utils\ncollections\n{__name__}\n"
    path = tmp_path / "old.pt"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("old/.data/version", "4")
        file.writestr("old/.data/extern_modules", externs)
        file.writestr("old/.data/94304870911616.storage", bytes(tensor.untyped_storage()))
        file.writestr("old/model/model.pkl", stream.getvalue())
    with PackageImporter(path) as importer:
        loaded = importer.load_pickle("model", "model.pkl")
        assert torch.equal(loaded["tensor"], tensor)
        assert loaded["reduced"] == (importer, "saved")
        assert loaded["order"] == {1, 2}
        assert importer.python_version() is None


def test_storages_of_a_machine_with_the_other_byte_order(zoo, tmp_path) -> None:
    value = torch.arange(5, dtype=torch.int32)
    other = b"big" if sys.byteorder == "little" else b"little"
    path = tmp_path / "foreign.pt"
    with (
        zipfile.ZipFile(export(lambda e: e.save_pickle("t", "t.pkl", value))) as old,
        zipfile.ZipFile(path, "w") as new,
    ):
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("byteorder"):
                data = other
            elif name.endswith(".storage"):
                data = value.numpy().byteswap().tobytes()
            new.writestr(name, data)
    with PackageImporter(path) as importer:
        assert torch.equal(importer.load_pickle("t", "t.pkl"), value)


def test_numbers_never_collide_with_torchs(zoo) -> None:
    buffer = export(lambda e: e.save_text("a", "b", "c"))
    ids = []
    for _ in range(3):
        ids += [PackageImporter(buffer).id(), StockImporter(io.BytesIO(buffer.getvalue())).id()]
    assert len(set(ids)) == 6


def test_objects_can_be_exported_again_by_torchs_exporter(zoo) -> None:
    net = zoo("zoo.layers").Net()
    ours, _ = both(export(lambda e: e.save_pickle("model", "net.pkl", net)))
    loaded = ours.load_pickle("model", "net.pkl")
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with PackageExporter(buffer, importer=(ours, torch.package.sys_importer)) as exporter:
            exporter.intern(["zoo.**", "zoo_optional", "_mock"])
            exporter.extern("torch.**")
            exporter.save_pickle("model", "net.pkl", loaded)
    buffer.seek(0)
    again = PackageImporter(buffer).load_pickle("model", "net.pkl")
    x = torch.randn(2, 4)
    assert torch.equal(again(x), net(x))


def test_compiled_and_scripted_after_loading(zoo) -> None:
    net = zoo("zoo.layers").Net()
    loaded = PackageImporter(export(lambda e: e.save_pickle("model", "net.pkl", net))).load_pickle(
        "model", "net.pkl"
    )
    x = torch.randn(2, 4)
    compiled = torch.compile(loaded, backend="eager", fullgraph=True)
    assert torch.equal(compiled(x), net(x))
    scale = sys.modules[type(loaded).__module__].scale
    assert torch.equal(torch.jit.script(scale)(x), x * 3)
