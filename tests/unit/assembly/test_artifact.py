"""What an artifact holds, and what must not lie side by side in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermpkg_build.archive.records import FileSlice, Record
from hermpkg_build.assembly.artifact import ArtifactRequest, PackedModel, Part, ResourceFile, lay_out
from hermpkg_build.assembly.model_records import renumber_storages
from hermpkg_build.assembly.portability import portability_notes
from hermpkg_build.assembly.record_contents import LostContentError
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.graph import ModuleGraph, ModuleNode
from hermpkg_build.core.manifest import Manifest, ManifestModel, RecordKind
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.errors import ActionError, AnalysisError, GroupedError
from hermpkg_build.factories.request import ModelObject, ObservedFiles, StoredStorage
from hermpkg_build.store.content import ContentStore


@pytest.fixture
def content(tmp_path: Path) -> ContentStore:
    return ContentStore(str(tmp_path / "cache"))


def module(
    name: str, policy: Policy = Policy.INTERN, kind: ModuleKind = ModuleKind.SOURCE, **facts
) -> ModuleNode:
    facts.setdefault("origin", Origin.GENERATED)
    return ModuleNode(name=name, policy=policy, kind=kind, **facts)


def graph(*nodes: ModuleNode) -> ModuleGraph:
    return ModuleGraph({node.name: node for node in nodes}, [], [])


def request(*nodes: ModuleNode, **fields) -> ArtifactRequest:
    sources = fields.pop("sources", {node.name: b"" for node in nodes if node.origin is Origin.GENERATED})
    return ArtifactRequest(graph=graph(*nodes), python_version="3.11.7", sources=sources, **fields)


def by_name(records: tuple[Record, ...]) -> dict[str, bytes]:
    return {
        r.name: Path(r.content.path).read_bytes() if isinstance(r.content, FileSlice) else bytes(r.content)
        for r in records
    }


def resource(folder: Path, name: str, data: bytes = b"data", cause: str = "") -> ResourceFile:
    path = folder / name
    path.write_bytes(data)
    return ResourceFile(path=str(path), digest=Digest.of(data), cause=cause)


def test_sources_are_packed_byte_for_byte(tmp_path: Path, content: ContentStore) -> None:
    data = b"# coding: latin-1\r\nx = '\xe9'\r\n\x0c"
    (tmp_path / "m.py").write_bytes(data)
    node = module("pkg.m", origin=Origin.WORKSPACE, path=str(tmp_path / "m.py"), digest=Digest.of(data))
    records = by_name(lay_out(request(node), content))
    assert records["pkg/m.py"] == data


def test_a_file_edited_after_its_analysis_does_not_slip_in(tmp_path: Path, content: ContentStore) -> None:
    (tmp_path / "m.py").write_bytes(b"new = 1\n")
    node = module("m", origin=Origin.WORKSPACE, path=str(tmp_path / "m.py"), digest=Digest.of(b"old = 1\n"))
    with pytest.raises(ActionError, match="changed while it was packed"):
        lay_out(request(node), content)
    for size in (10, 3 << 20):
        edited = resource(tmp_path, "words", b"a" * size)
        (tmp_path / "words").write_bytes(b"b" * size)
        with pytest.raises(ActionError):
            lay_out(request(resources={"words": edited}), content)
    (tmp_path / "m.py").unlink()
    with pytest.raises(ActionError, match="cannot be read"):
        lay_out(request(node), content)


def test_a_large_resource_is_safe_from_later_edits(tmp_path: Path, content: ContentStore) -> None:
    large = resource(tmp_path, "large", bytes(3 << 20))
    records = lay_out(request(resources={"large": large}), content)
    (tmp_path / "large").write_bytes(b"edited")
    assert by_name(records)["large"] == bytes(3 << 20)


def test_the_manifest_tells_of_all_records(tmp_path: Path, content: ContentStore) -> None:
    nodes = (
        module("app", kind=ModuleKind.PACKAGE, origin=Origin.GENERATED),
        module("lib", Policy.EXTERN, ModuleKind.PACKAGE, origin=Origin.ENVIRONMENT, distribution="lib-dist"),
        module("json", Policy.EXTERN, ModuleKind.PACKAGE, origin=Origin.STDLIB),
        module("spy", Policy.MOCK, origin=Origin.MISSING),
        module("space", kind=ModuleKind.NAMESPACE, origin=Origin.WORKSPACE),
    )
    records = by_name(
        lay_out(
            request(
                *nodes,
                sources={"app": b"import lib\n"},
                resources={"app/words": resource(tmp_path, "words")},
                labels={"app": "//:app.py"},
                distributions={"lib-dist": "1.2", "unrelated": "9"},
                requires={"Lib_Dist": ">=1", "lib.dist": "<3"},
            ),
            content,
        )
    )
    manifest = Manifest.from_bytes(records.pop(".data/hermpkg/manifest.json"))
    assert {name: record.digest for name, record in manifest.records.items()} == {
        name: Digest.of(data) for name, data in records.items()
    }
    assert {name: str(record.kind) for name, record in manifest.records.items()} == {
        ".data/extern_modules": "framework",
        ".data/python_version": "framework",
        ".data/version": "framework",
        "byteorder": "framework",
        "_mock.py": "mock",
        "app/__init__.py": "module",
        "app/words": "resource",
        "spy.py": "mock",
    }
    assert manifest.distributions == {"lib-dist": "1.2"}
    assert manifest.requires == {"lib-dist": ">=1,<3"}
    assert manifest.modules["app"].label == "//:app.py"
    assert manifest.modules["space"].kind is ModuleKind.NAMESPACE
    assert manifest.extern_modules() == {"": ("json",), "lib-dist": ("lib",)}
    assert records[".data/extern_modules"] == b"json\nlib\n"


def test_nothing_of_the_machine_is_in_the_records(tmp_path: Path, content: ContentStore) -> None:
    (tmp_path / "m.py").write_bytes(b"x = 1\n")
    node = module("m", origin=Origin.WORKSPACE, path=str(tmp_path / "m.py"), digest=Digest.of(b"x = 1\n"))
    words = resource(tmp_path, "words", cause=f"a file in {tmp_path}")
    records = by_name(lay_out(request(node, resources={"words": words}), content))
    assert not any(str(tmp_path).encode() in data for data in records.values())


def test_equal_requests_give_equal_records_whatever_their_order(
    tmp_path: Path, content: ContentStore
) -> None:
    nodes = [module(name) for name in ("c", "a", "b")]
    words = {name: resource(tmp_path, name) for name in ("y", "x")}
    one = lay_out(request(*nodes, resources=words), content)
    other = lay_out(request(*nodes[::-1], resources=dict(reversed(words.items()))), content)
    assert one == other


def stored(content: ContentStore, *keys: int) -> tuple[bytes, tuple[tuple[int, int], ...]]:
    """Something with storage keys in it, and where they are."""
    data, offsets = b"", []
    for key in keys:
        data += b"(J"
        offsets.append((len(data), key))
        data += key.to_bytes(4, "little") + b"t"
    return data, tuple(offsets)


def model(content: ContentStore, storages: list[bytes], *keys: int) -> PackedModel:
    data, offsets = stored(content, *keys)
    return PackedModel(
        model=ModelObject(
            pickle=content.put_bytes(data),
            globals=(),
            storages=tuple(StoredStorage(digest=content.put_bytes(s), crc32=len(s)) for s in storages),
            key_offsets=offsets,
            observed_modules=(),
            observed_files=ObservedFiles(),
        ),
        origin=ManifestModel(label="//m:m", factory="m:make"),
    )


def test_storages_of_several_models_are_numbered_through(content: ContentStore) -> None:
    models = {
        "b.pkl": model(content, [b"B0", b"same"], 0, 1, 0),
        "a.pkl": model(content, [b"A0", b"same", b"A2"], 2, 1, 0),
        "c.pkl": model(content, [b"C0"], 0),
    }
    records = by_name(lay_out(request(models=models), content))
    assert [records[f".data/{key}.storage"] for key in range(6)] == [
        b"A0",
        b"same",
        b"A2",
        b"B0",
        b"same",
        b"C0",
    ]
    assert ".data/6.storage" not in records
    assert records["a.pkl"] == stored(content, 2, 1, 0)[0]
    assert records["b.pkl"] == stored(content, 3, 4, 3)[0]
    assert records["c.pkl"] == stored(content, 5)[0]
    manifest = Manifest.from_bytes(records[".data/hermpkg/manifest.json"])
    assert manifest.models["b.pkl"].factory == "m:make"
    assert manifest.records["b.pkl"].digest == Digest.of(records["b.pkl"])


@pytest.mark.parametrize("offset", [-3, 0, 1, 3, 100])
def test_a_table_of_keys_that_contradicts_its_pickle(offset: int) -> None:
    with pytest.raises(ActionError, match="damaged"):
        renumber_storages(b"(J\1\0\0\0t", [(offset, 1)], [5, 6])


def test_too_many_storages() -> None:
    with pytest.raises(ActionError, match="at most 2147483648"):
        renumber_storages(b"J\1\0\0\0", [(1, 1)], [0, 0x80000000])


def test_content_that_the_cache_has_lost(content: ContentStore, tmp_path: Path) -> None:
    packed = model(content, [b"storage"], 0)
    path = content.path_of(Digest.of(b"storage"))
    assert path is not None
    Path(path).unlink()
    with pytest.raises(LostContentError) as caught:
        lay_out(request(models={"a.pkl": packed}), content)
    assert caught.value.digest == Digest.of(b"storage")
    assert caught.value.exit_code == 36


def clash(content: ContentStore, *nodes: ModuleNode, **fields) -> str:
    with pytest.raises(AnalysisError) as caught:
        lay_out(request(*nodes, **fields), content)
    return str(caught.value)


def test_a_module_and_a_resource_of_one_name(tmp_path: Path, content: ContentStore) -> None:
    text = clash(content, module("a"), resources={"a.py": resource(tmp_path, "x", cause="//:x")})
    assert "the module a" in text
    assert "//:x" in text


@pytest.mark.parametrize("below", ["a/b.py", "a/model.pkl", "a/deep/er/words.txt"])
def test_a_plain_module_with_something_below_it(tmp_path: Path, content: ContentStore, below: str) -> None:
    text = clash(content, module("a"), resources={below: resource(tmp_path, "x")})
    assert "not a package" in text
    assert f"a.py and {below}" in text


def test_a_record_and_a_folder_of_one_name(tmp_path: Path, content: ContentStore) -> None:
    files = {"x": resource(tmp_path, "x"), "x/y": resource(tmp_path, "y")}
    assert "x and x/y" in clash(content, resources=files)


@pytest.mark.parametrize("name", [".data/0.storage", ".data/mine", "../x", "/x", "a\\b", ""])
def test_a_resource_where_none_can_be(tmp_path: Path, content: ContentStore, name: str) -> None:
    assert repr(name) in clash(content, resources={name: resource(tmp_path, "x")})


def test_a_module_of_the_name_that_mocks_need(content: ContentStore) -> None:
    text = clash(content, module("_mock"), module("spy", Policy.MOCK))
    assert "the module _mock" in text
    assert "mocked modules" in text


def test_several_clashes_are_told_together(tmp_path: Path, content: ContentStore) -> None:
    files = {name: resource(tmp_path, "x") for name in ("a.py", "b/c", "../d")}
    with pytest.raises(GroupedError) as caught:
        lay_out(request(module("a"), module("b"), resources=files), content)
    assert len(caught.value.errors) == 3


@pytest.mark.parametrize("kind", [ModuleKind.EXTENSION, ModuleKind.BYTECODE, ModuleKind.BUILTIN])
def test_an_interned_module_without_source(content: ContentStore, kind: ModuleKind) -> None:
    assert 'extern("a")' in clash(content, module("a", kind=kind, origin=Origin.ENVIRONMENT))


def test_a_mocked_module_with_something_below_it_is_a_package(tmp_path: Path, content: ContentStore) -> None:
    mocked = module("spy", Policy.MOCK, origin=Origin.MISSING)
    records = by_name(lay_out(request(mocked, resources={"spy/x": resource(tmp_path, "x")}), content))
    assert "spy/__init__.py" in records
    assert "spy.py" not in records


def test_mocked_modules_that_nobody_has_installed_may_lie_below_each_other(content: ContentStore) -> None:
    names = ("spy", "spy.deep.part", "spy.sparse")
    mocked = [module(name, Policy.MOCK, origin=Origin.MISSING) for name in names]
    records = by_name(lay_out(request(*mocked), content))
    assert {"spy/__init__.py", "spy/deep/part.py", "spy/sparse.py"} <= records.keys()


def test_parts_made_elsewhere_are_taken_as_they_are(content: ContentStore) -> None:
    part = Part.of_bytes("m/x.pkl", memoryview(b"N."), kind=RecordKind.PICKLE, cause="save_pickle")
    records = by_name(lay_out(request(parts=[part]), content))
    assert records["m/x.pkl"] == b"N."
    manifest = Manifest.from_bytes(records[".data/hermpkg/manifest.json"])
    assert manifest.records["m/x.pkl"].kind is RecordKind.PICKLE


def test_notes_on_names() -> None:
    notes = portability_notes(["a/B.py", "a/b.py", "json/x/words.txt", "other"], {"json", "othe"})
    assert notes == (
        "a/B.py and a/b.py differ only in case: torch.package reads one of them for both",
        "json/x/words.txt lies below the extern module json: torch.package refuses the archive",
    )
