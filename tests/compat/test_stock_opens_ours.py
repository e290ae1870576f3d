"""torch's own importer opens the archives that are laid out and written here."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from torch.package import PackageImporter  # noqa: E402

from hermpkg_build.archive.plan import plan_archive  # noqa: E402
from hermpkg_build.archive.writer import FileSlice, Record, write_archive  # noqa: E402
from hermpkg_build.assembly.artifact import ArtifactRequest, PackedModel, ResourceFile, lay_out  # noqa: E402
from hermpkg_build.core.digest import Digest  # noqa: E402
from hermpkg_build.core.graph import ModuleGraph, ModuleNode  # noqa: E402
from hermpkg_build.core.manifest import ManifestModel  # noqa: E402
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy  # noqa: E402
from hermpkg_build.factories.request import ModelObject, ObservedFiles  # noqa: E402
from hermpkg_build.pickles.canonical import pickle_canonically  # noqa: E402
from hermpkg_build.pickles.storages import StorageCopy, copy_storages  # noqa: E402
from hermpkg_build.store.content import ContentStore  # noqa: E402

SOURCES = {
    "app": b"from . import layers\n",
    "app.layers": b"import json\nimport tracker.events\nfrom tracker import log, events\n\n\n"
    b"class Layer:\n    def __init__(self, weight):\n        self.weight = weight\n\n\n"
    b"def dumped(value):\n    return json.dumps(value)\n",
    "app.latin": "# -*- coding: latin-1 -*-\nword = 'Größe'\n".encode("latin-1"),
    "space.inner": b"value = 7\n",
}


def node(name: str, policy: Policy, kind: ModuleKind, origin: Origin) -> ModuleNode:
    return ModuleNode(name=name, policy=policy, kind=kind, origin=origin)


def graph() -> ModuleGraph:
    packages = {"app": ModuleKind.PACKAGE}
    nodes = [
        node(name, Policy.INTERN, packages.get(name, ModuleKind.SOURCE), Origin.GENERATED) for name in SOURCES
    ]
    nodes += [
        node("space", Policy.INTERN, ModuleKind.NAMESPACE, Origin.WORKSPACE),
        node("tracker", Policy.MOCK, ModuleKind.PACKAGE, Origin.ENVIRONMENT),
        node("tracker.events", Policy.MOCK, ModuleKind.SOURCE, Origin.ENVIRONMENT),
    ]
    externs = ("json", "torch", "torch._utils", "collections")
    nodes += [node(name, Policy.EXTERN, ModuleKind.PACKAGE, Origin.STDLIB) for name in externs]
    return ModuleGraph({node.name: node for node in nodes}, [], [])


def model(content: ContentStore, value: object, folder: Path) -> ModelObject:
    """A model object as the objects layer makes it, without a child process."""
    pickled = pickle_canonically(value)
    storages = []
    for storage in pickled.storages:
        (stored,) = copy_storages([StorageCopy(storage=storage, path=str(folder / "storage"))])
        content.put_file(str(folder / "storage"), stored.digest, move=True)
        storages.append(stored)
    return ModelObject(
        pickle=content.put_bytes(pickled.data),
        globals=pickled.globals,
        storages=tuple(storages),
        key_offsets=pickled.key_offsets,
        observed_modules=(),
        observed_files=ObservedFiles(),
    )


@pytest.fixture(scope="module")
def importer(tmp_path_factory: pytest.TempPathFactory) -> PackageImporter:
    folder = tmp_path_factory.mktemp("stock")
    content = ContentStore(str(folder / "cache"))
    resources = {}
    for name, data in {"app/words.txt": b"eins\nzwei\n", "data/größe.bin": bytes(range(256)) * 8192}.items():
        file = folder / name.replace("/", "_")
        file.write_bytes(data)
        resources[name] = ResourceFile(path=str(file), digest=Digest.of(data))
    shared = torch.arange(6.0)
    models = {
        "model/first.pkl": {"a": shared, "b": shared.view(2, 3), "c": torch.ones(3)},
        "model/second.pkl": {"a": torch.full((2,), 5.0), "b": torch.full((1,), 7.0)},
    }
    request = ArtifactRequest(
        graph=graph(),
        python_version="3.11.7",
        sources=SOURCES,
        models={
            name: PackedModel(
                model=model(content, value, folder), origin=ManifestModel(label="//:m", factory="m:m")
            )
            for name, value in models.items()
        },
        resources=resources,
    )
    path = folder / "artifact.pt"
    write_archive(str(path), root="artifact", records=lay_out(request, content))
    return PackageImporter(str(path))


def test_modules(importer: PackageImporter) -> None:
    layers = importer.import_module("app.layers")
    assert layers.dumped([1]) == "[1]"
    assert importer.import_module("app").layers is layers
    assert importer.import_module("app.latin").word == "Größe"


def test_namespace_packages(importer: PackageImporter) -> None:
    assert importer.import_module("space.inner").value == 7


def test_mocked_modules(importer: PackageImporter) -> None:
    layers = importer.import_module("app.layers")
    assert layers.events is layers.tracker.events
    with pytest.raises(NotImplementedError, match=r"'tracker\.log'.*called"):
        layers.log("message")
    with pytest.raises(NotImplementedError, match=r"'tracker\.events\.Event'.*base class"):

        class Event(layers.events.Event):
            pass


def test_tensors_of_several_models(importer: PackageImporter) -> None:
    first = importer.load_pickle("model", "first.pkl")
    second = importer.load_pickle("model", "second.pkl")
    assert first["a"].tolist() == [0, 1, 2, 3, 4, 5]
    assert first["c"].tolist() == [1, 1, 1]
    assert second["a"].tolist() == [5, 5]
    assert second["b"].tolist() == [7]
    first["a"][0] = 9
    assert first["b"][0, 0] == 9


def test_resources(importer: PackageImporter) -> None:
    assert importer.load_text("app", "words.txt") == "eins\nzwei\n"
    assert importer.load_binary("data", "größe.bin") == bytes(range(256)) * 8192


def test_what_the_format_asks_for(importer: PackageImporter) -> None:
    assert importer.python_version() == "3.11.7"
    assert importer.extern_modules == ["collections", "json", "torch", "torch._utils"]
    assert importer.file_structure().has_file("app/layers.py")


@pytest.mark.parametrize("root", ["r", "ein Größe", "日本"])
@pytest.mark.parametrize("length", [400, 511])
def test_long_names_and_any_root(tmp_path: Path, root: str, length: int) -> None:
    resource = "x" * (length - len(f"{root}/a/".encode()))
    file = tmp_path / "file"
    file.write_bytes(b"found")
    request = ArtifactRequest(
        graph=ModuleGraph({}, [], []),
        python_version="3.11",
        resources={f"a/{resource}": ResourceFile(path=str(file), digest=Digest.of(b"found"))},
    )
    records = lay_out(request, ContentStore(str(tmp_path / "cache")))
    write_archive(str(tmp_path / "a.pt"), root=root, records=records)
    assert PackageImporter(str(tmp_path / "a.pt")).load_binary("a", resource) == b"found"


def test_more_than_4_gib_and_more_than_65535_records(tmp_path: Path) -> None:
    """torch's reader follows our ZIP64 structures. The 5 GiB are a hole in the file."""
    large, path = tmp_path / "large", tmp_path / "a.pt"
    with large.open("wb") as file:
        file.truncate(5 << 30)
    records = [
        Record(name=".data/0.storage", content=FileSlice(path=str(large), size=5 << 30), crc32=0),
        Record(name=".data/version", content=b"6\n"),
        *(Record(name=f"{i}", content=b"found" if i == 69_999 else b"") for i in range(70_000)),
    ]
    with path.open("wb") as file:
        for piece in plan_archive("r", records):
            if isinstance(piece, FileSlice):
                file.seek(piece.size, 1)
            else:
                file.write(piece)
    reader = torch._C.PyTorchFileReader(str(path))
    assert reader.get_record("69999") == b"found"
    assert reader.get_record_offset(".data/0.storage") % 64 == 0
    assert len(reader.get_all_records()) == len(records)
