"""What users write with the public names. Nobody runs it: type checkers read it, in their strict modes.

A line that is wrong says so to both of them, and each tells of a line that says so and is right.
"""

from __future__ import annotations

import gzip
import io
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch.package.importer import sys_importer as stock_sys_importer
from torch.package.package_importer import PackageImporter as StockImporter

import hermpkg_build
from hermpkg_build import (
    Directory,
    EmptyMatchError,
    GlobGroup,
    HermpkgError,
    Importer,
    ObjMismatchError,
    OrderedImporter,
    PackageExporter,
    PackageImporter,
    PackagingError,
    PackReport,
    TrustError,
    TrustPolicy,
    is_from_package,
    pack,
    sys_importer,
)

if TYPE_CHECKING:
    from typing_extensions import assert_type


class Net:
    """A class that is packed, and that the program has, too."""

    def forward(self, x: float) -> float:
        return x


@runtime_checkable
class Callable(Protocol):
    def forward(self, x: float) -> float: ...


class Uploaded:
    """A stream of a user's own."""

    def write(self, data: bytes) -> int:
        return len(data)


class OwnImporter(Importer):
    @property
    def modules(self) -> Mapping[str, Any]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        return {}

    def import_module(self, module_name: str) -> ModuleType:
        raise ModuleNotFoundError(module_name)


class LoudExporter(PackageExporter):
    def shout(self) -> str:
        return "packed"


def opened(folder: Path, data: bytes) -> Iterator[PackageImporter]:
    yield PackageImporter("model.pt")
    yield PackageImporter(folder / "model.pt")
    yield PackageImporter("oci://registry.example/models/resnet:1", trust="policy.toml")
    yield PackageImporter(data)
    yield PackageImporter(bytearray(data))
    yield PackageImporter(memoryview(data))
    yield PackageImporter(io.BytesIO(data))
    yield PackageImporter(torch._C.PyTorchFileReader("model.pt"))  # pyright: ignore[reportPrivateUsage]
    with (
        open("model.pt", "rb") as file,
        gzip.open("model.pt.gz") as packed,
        tempfile.TemporaryFile() as spool,
    ):
        yield PackageImporter(file)
        yield PackageImporter(packed)
        yield PackageImporter(spool)
    yield PackageImporter("model.pt", lambda name: name.startswith("torch"), check="error", verify="all")
    yield PackageImporter("model.pt", files="real", map=False, trust=TrustPolicy(rules=()))


def opened_wrongly() -> Iterator[object]:
    yield PackageImporter(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    yield PackageImporter(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    yield PackageImporter(["model.pt"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    yield PackageImporter(io.StringIO())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    yield PackageImporter()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    yield PackageImporter("a.pt", check="never")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    yield PackageImporter("a.pt", trust=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    yield PackageImporter("a.pt", "torch")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    yield PackageImporter("a.pt", chek="off")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with open("model.pt", encoding="utf-8") as text:
        yield PackageImporter(text)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def loaded(importer: PackageImporter, device: torch.device) -> None:
    net = importer.load_pickle("model", "model.pkl", as_type=Net)
    assert_type(net, Net)
    assert_type(net.forward(1.0), float)
    assert_type(importer.load_pickle("model", "model.pkl", "cpu", as_type=str), str)
    assert_type(
        importer.load_pickle("m", "m.pkl", as_type=dict[str, list[int | None]]), dict[str, list[int | None]]
    )
    assert_type(importer.load_pickle("model", "model.pkl"), Any)
    assert_type(importer.load_pickle("model", "model.pkl", device), Any)
    assert_type(importer.load_pickle("model", "model.pkl", map_location={"cuda:0": "cpu"}), Any)
    assert_type(importer.load_pickle("model", "model.pkl", lambda storage, _: storage), Any)
    assert_type(importer.load_tensors("model", "model.pkl", map_location=device), dict[str, torch.Tensor])
    assert_type(importer.load_text("model", "words.txt"), str)
    assert_type(importer.load_binary(importer.import_module("model"), "words.txt"), bytes)
    assert_type(importer.import_module("models.net"), ModuleType)
    assert_type(importer.import_module("models.net").Net(), Any)
    assert_type(importer.file_structure(include={"**/*.py"}), Directory)
    assert_type(importer.python_version(), "str | None")
    assert_type(importer.get_source("models.net"), str)
    assert_type(importer.extern_modules, list[str])
    assert_type(importer.record_names(), Sequence[str])
    assert_type(is_from_package(net), bool)
    with importer as same:
        assert_type(same, PackageImporter)


def loaded_wrongly(importer: PackageImporter, net: Net) -> None:
    importer.load_pickle("model")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    importer.load_pickle("m", "m.pkl", as_type=net)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    importer.load_pickle("m", "m.pkl", as_type="Net")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    importer.load_pickle("m", "m.pkl", 0)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    importer.load_pickle("m", "m.pkl", as_type=Net).backward()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    importer.load_text(3, "words.txt")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    importer.load_binary("model")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    importer.load_models()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    importer.extern_modules = "torch"  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]


def exported(stock: StockImporter, ours: PackageImporter) -> Iterator[PackageExporter]:
    yield PackageExporter("model.pt")
    yield PackageExporter(Path("model.pt"), sys_importer, False)
    yield PackageExporter(io.BytesIO(), importer=[ours, sys_importer], requires={"torch": ">=2.4"})
    yield PackageExporter(Uploaded(), OrderedImporter(ours, OwnImporter()))
    yield PackageExporter("model.pt", importer=(stock, stock_sys_importer))
    with open("model.pt", "wb") as file:
        yield PackageExporter(file)
    with LoudExporter("model.pt") as exporter:
        assert_type(exporter, LoudExporter)
        assert_type(exporter.shout(), str)
        exporter.intern("app.**", exclude=["app.old"])
        exporter.extern({"numpy", "torch"})
        exporter.mock(name for name in ("wandb",))
        exporter.deny("**")
        exporter.save_pickle("model", "model.pkl", Net(), pickle_protocol=4)
        exporter.save_source_file("app", Path("app"))
        exporter.save_binary("model", "words.bin", memoryview(b""))
        handle = exporter.register_extern_hook(lambda _exporter, name: print(name))
        handle.remove()
        assert_type(exporter.interned_modules(), list[str])
        assert_type(exporter.get_unique_id(), str)


def exported_wrongly(exporter: PackageExporter) -> Iterator[object]:
    yield PackageExporter(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    yield PackageExporter(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    yield PackageExporter(b"model.pt")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    yield PackageExporter(io.StringIO())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    yield PackageExporter("a.pt", "torch")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    yield PackageExporter("a.pt", PackageImporter)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    yield PackageExporter("a.pt", requires=["torch"])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    exporter.intern(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    exporter.intern("app.**", "app.old")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    exporter.save_text("model", "words.txt", b"one")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    exporter.save_binary("model", "words.bin", "one")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    exporter.save_pickle("model", Net())  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
    exporter.save_everything()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


def packed(net: Net) -> None:
    report = pack(net, "model.pt", example=(1.0,), extern=["torch"], resources={"data/words.txt": b"one"})
    assert_type(report, PackReport)
    pack(net, "model.pt", extern="torch", intern={"kornia"})
    assert_type(hermpkg_build.__version__, str)
    pack(net, io.BytesIO())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    pack(net, "model.pt", timeout="1 s")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(GlobGroup("models.**").matches("models.net"), bool)
    print(hermpkg_build.PackageImproter)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]


def told(error: Exception) -> str | os.PathLike[str]:
    if isinstance(error, PackagingError):
        return assert_type(error.broken[0].module, str)
    if isinstance(error, TrustError):
        return assert_type(error.summary, str)
    assert_type(isinstance(error, (EmptyMatchError, HermpkgError, ObjMismatchError)), bool)
    return ""
