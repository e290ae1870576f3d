"""What builds keep: manifests, locks, results, facts, notes, snapshots, the graph of queries, the index."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path

from laws import Reader, in_file, target_of

from hermpkg_build.core.canonical_json import dumps
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.folders import STATE_FOLDER
from hermpkg_build.core.json_codec import from_json, to_json
from hermpkg_build.core.lock import Lock, LockedTarget
from hermpkg_build.core.lock_bytes import lock_bytes
from hermpkg_build.core.manifest import (
    Manifest,
    ManifestModel,
    ManifestModule,
    ManifestRecord,
    ManifestTool,
    RecordKind,
)
from hermpkg_build.core.manifest_bytes import manifest_bytes
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.engine import durations, snapshot, snapshot_check
from hermpkg_build.engine.notes import NoteBook
from hermpkg_build.engine.observed_table import ObservedTable
from hermpkg_build.engine.queries import kept_file
from hermpkg_build.engine.queries.watched import Watched
from hermpkg_build.engine.remote.facts import decode_pack, encode_pack
from hermpkg_build.factories.failures import FactoryError, error_to_json, factory_error_from_json
from hermpkg_build.factories.request import ModelObject, ObservedFiles, ObservedImport
from hermpkg_build.source import facts_codec
from hermpkg_build.source.imports import analyse_source
from hermpkg_build.store.action_cache import ActionCache, ActionResult, encode_result
from hermpkg_build.store.database import Database
from hermpkg_build.store.index import DigestIndex

_DIGEST = Digest.of(b"x")
_SIGNATURE = (1, 2, 3, 4, 5)
_SOURCE = (
    b"import os\nfrom . import a, b\n__import__('x' + y)\n__all__ = ['a']\ntry:\n    import z\nexcept E: 0\n"
)


def readers(folder: Path) -> Mapping[str, Reader]:
    """Return the readers of what is kept."""
    os.makedirs(folder / STATE_FOLDER / "targets", exist_ok=True)
    facts = facts_codec.encode(analyse_source(_SOURCE))
    return {
        "manifest": Reader(sound=manifest_bytes(_manifest()), read=Manifest.from_bytes),
        "opened-manifest": Reader(
            sound=manifest_bytes(_manifest("0" * 64)), read=_read_opened
        ),
        "lock": Reader(sound=lock_bytes(_lock()), read=Lock.from_bytes),
        "facts": Reader(sound=facts, read=facts_codec.decode, raises=(ValueError,)),
        "facts-pack": Reader(sound=zlib.decompress(encode_pack({_DIGEST: facts})), read=_read_pack),
        "result": _result(folder),
        "result-facts": Reader(
            sound=dumps(to_json(_model())), read=lambda data: from_json(ModelObject, json.loads(data)),
            raises=(ValueError, RecursionError),
        ),
        "factory-error": Reader(
            sound=dumps(error_to_json(FactoryError("it fails", facts=[("a", "b")], snippet="x"))),
            read=lambda data: _raise(factory_error_from_json(json.loads(data))),
            raises=(ValueError, RecursionError),
        ),
        "notes": _notes(folder),
        "durations": in_file(
            folder / STATE_FOLDER / "durations.json",
            b'[["make-model","//a:b",1.5],["assemble","//a",2]]',
            lambda: durations.known_durations(str(folder)),
        ),
        "snapshot": _snapshot(folder),
        "kept-graph": _kept_graph(folder),
        "index": _index(folder),
    }  # fmt: skip


def _raise(error: Exception) -> None:
    raise error


def _manifest(checksums: str = "") -> Manifest:
    module = ManifestModule(policy=Policy.EXTERN, kind=ModuleKind.PACKAGE, origin=Origin.ENVIRONMENT)
    return Manifest(
        tool=ManifestTool(name="hermpkg", version="1"),
        python_version="3.11",
        records={"a.py": ManifestRecord(digest=_DIGEST, kind=RecordKind.MODULE)},
        modules={"torch": module},
        distributions={"torch": "2.0"},
        requires={"torch": ">=2"},
        models={"m.pkl": ManifestModel(label="//a:b", factory="a:b", computed_on="x")},
        real_files=("a",),
        root="r",
        beside=("b",),
        checksums=checksums,
    )


def _lock() -> Lock:
    target = LockedTarget(
        sha256="0" * 64, bytes=3, python_version="3.11", externs={"torch": "2"}, records={"a": "0" * 64}
    )
    return Lock(tool="hermpkg 1", targets={"//a:b": target})


def _model() -> ModelObject:
    return ModelObject(
        pickle=_DIGEST,
        globals=(),
        storages=(),
        key_offsets=((1, 2),),
        observed_modules=(ObservedImport(module="a", importer="b", path="c.py", line=1),),
        observed_files=ObservedFiles(read=("/a",), listed=("/b",), sought=("/c",)),
    )


def _read_opened(data: bytes) -> None:
    """Read a manifest as opening an artifact does, with its entries."""
    opened = Manifest.opened(data)
    opened.extern_modules()
    [*map(opened.records.get, ("a.py", "b.py")), *opened.records.values(), *opened.modules.values()]


def _read_pack(data: bytes) -> None:
    """Read a pack of facts as a server may send it, with the facts in it."""
    for stored in decode_pack(zlib.compress(data, 1)).values():
        try:
            facts = facts_codec.decode(stored)
        except ValueError:
            continue
        facts_codec.encode(facts)


def _result(folder: Path) -> Reader:
    """Results of actions whose checksum is right, whatever they are."""
    cache = ActionCache(str(folder / "results"))
    cache.put(_DIGEST, ActionResult(outputs={}, facts=None))
    path = next((folder / "results" / "ac").rglob(_DIGEST.hash))
    whole = encode_result(_DIGEST, ActionResult(outputs={"a": _DIGEST}, facts={"b": [1, None, "c"]}))

    def read(data: bytes) -> object:
        checksum = hashlib.sha256(f"{_DIGEST}\n".encode() + data).hexdigest().encode()
        path.unlink(missing_ok=True)
        path.write_bytes(checksum + b"\n" + data + b"\n")
        return cache.get(_DIGEST)

    return Reader(sound=whole.split(b"\n")[1], read=read)


class _Silent:
    def notes_not_kept(self, error: OSError) -> None:
        raise error


def _notes(folder: Path) -> Reader:
    book = NoteBook(str(folder), _Silent())  # type: ignore[arg-type] # It is asked for no more.
    path = Path(book._path("//a:b", "assemble"))
    sound = b'%s\n["assemble",1,{"a":"b"}]' % (b"0" * 64)
    return in_file(path, sound, lambda: book.inputs_of("//a:b", "assemble"))


def _snapshot(folder: Path) -> Reader:
    values = {
        "targets": [["//a:b", "out.pt", "0" * 64, 3, []]],
        "actions": {"analyse": [1, 2]},
        "warnings": ["w"],
        "resting": "",
        "texts": "",
    }
    file = ObservedTable.of({str(folder / "x"): ("0" * 64, _SIGNATURE)})
    directory = ObservedTable.of({str(folder): ("0" * 64, None)})
    sound = snapshot_check.StoredSnapshot(values, ObservedTable.of({}), file, directory).to_bytes()
    path = folder / "one.snapshot"

    def read() -> None:
        stored = snapshot_check.read_stored(str(path))
        found = snapshot.read_snapshot(stored) if stored is not None else None
        if found is not None:
            snapshot._examined(found, str(path), 0.0)

    return in_file(path, sound, read)


def _kept_graph(folder: Path) -> Reader:
    """A kept graph whose digest is right."""
    path = folder / "graph"
    tree = SourceTree()
    tree.read(str(Path(__file__)))
    tree.entries(str(folder))
    tree.entries("/gone")
    watched = Watched.of(tree)
    kept_file.save(str(path), watched, {})  # What is kept beside it has a digest of its own.

    def read(data: bytes) -> object:
        path.write_bytes(hashlib.sha256(data).digest() + data)
        kept = kept_file.load(str(path))
        if kept is None:
            return None
        with kept.file:
            kept.read()
            return kept.watched.changes(kept.watched.check())

    return Reader(sound=path.read_bytes()[32:], read=read)


def _index(folder: Path) -> Reader:
    """The index as SQLite keeps it, and rows of it whose checksums are right."""
    place = folder / "index"
    place.mkdir(exist_ok=True)
    database = Database(str(place), writable=True)
    index = DigestIndex(database)
    index.record("/a/b", (1, 2, 3, 4, 5), _DIGEST)
    database.put_many(index.pending())
    database.close()
    path = place / "index.sqlite3"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        opened = Database(str(place), writable=True)
        found = DigestIndex(opened)
        found.get("/a/b", (1, 2, 3, 4, 5))
        found.record("/a/c", (1, 2, 3, 4, 5), _DIGEST)
        opened.put_many(found.pending())
        opened.close()

    return Reader(sound=path.read_bytes(), read=read)


TARGET = target_of(readers)
