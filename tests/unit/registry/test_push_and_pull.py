"""Artifacts travel to a registry and back: what moves, what goes on after a failure, what refers to them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.archive.writer import Record, write_archive
from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.registry import known_layers, uploads
from hermpkg_build.registry.progress import Progress
from hermpkg_build.registry.pull import cached_file, pull
from hermpkg_build.registry.push import push
from hermpkg_build.registry.referrers import Attachment
from hermpkg_build.registry.server import Connection
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.store.cache import Cache, open_cache

WriteModel = Callable[..., str]


def test_a_file_comes_back_byte_by_byte_and_only_changes_move(
    registry: Any, connection: Connection, cache: Cache, write_model: WriteModel, tmp_path: Path
) -> None:
    one, two, out = write_model(), write_model("two.pt", seed=1), tmp_path / "out.pt"
    first = push(one, registry.reference("1"), connection)
    assert first.moved == first.layers
    again = push(one, registry.reference("again"), connection)
    assert (again.moved, again.reference.sha256) == (0, first.reference.sha256)
    before = registry.moved
    second = push(two, registry.reference("2"), connection)
    assert second.moved == 2  # the record, and the recipe
    assert registry.moved - before < 1.1 * 320 * 1024

    pulled = pull(registry.reference("1"), str(out), connection, cache)
    assert out.read_bytes() == Path(one).read_bytes()
    assert (pulled.file, pulled.reference) == (first.file, first.reference)
    newer = pull(registry.reference("2"), str(out), connection, cache)
    assert out.read_bytes() == Path(two).read_bytes()
    assert newer.moved == 2


def test_the_digest_does_not_depend_on_the_name_of_the_file(
    registry: Any, connection: Connection, write_model: WriteModel
) -> None:
    digests = {
        push(write_model(name), registry.reference(), connection).reference.sha256
        for name in ("a.pt", "another name é.zip")
    }
    assert len(digests) == 1


def test_the_manifest_is_one_of_model_pack(
    registry: Any, connection: Connection, write_model: WriteModel
) -> None:
    push(write_model(), registry.reference(), connection)
    manifest = json.loads(registry.manifests["1"][1])
    assert manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    config = json.loads(registry.blobs[manifest["config"]["digest"]])
    assert config["modelfs"]["diffIds"] == [layer["digest"] for layer in manifest["layers"]]
    paths = [layer["annotations"]["org.cncf.model.filepath"] for layer in manifest["layers"]]
    assert "net/.data/2.storage" in paths
    assert {layer["mediaType"].rpartition(".")[2] for layer in manifest["layers"]} == {"raw", "tar"}


def test_uploads_go_on_behind_what_arrived(
    registry: Any, connection: Connection, write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "CHUNK", 100 << 10)
    monkeypatch.setattr(uploads, "_ALONE", 64 << 10)
    cuts = iter([True, True])

    def cut(handler: Any) -> bool:
        if handler.command == "PATCH" and next(cuts, False):
            number = handler.path.rpartition("/")[2]
            registry.uploads[number] += handler.rfile.read(50 << 10)
            handler.close_connection = True
            handler.connection.close()
            return True
        return False

    registry.faults.append(cut)
    pushed = push(write_model(), registry.reference(), connection)
    assert pushed.moved == pushed.layers
    sizes = [int(headers["Content-Length"]) for method, _, headers in registry.asked if method == "PATCH"]
    assert len(sizes) > 9
    looks = [path for method, path, _ in registry.asked if method == "GET" and "/uploads/" in path]
    assert len(looks) == 2


def test_an_upload_that_the_registry_forgot_begins_anew(
    registry: Any, connection: Connection, write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_ALONE", 64 << 10)
    forgets = iter([True])

    def forget(handler: Any) -> bool:
        if handler.command == "PUT" and "/uploads/" in handler.path and next(forgets, False):
            registry.uploads.pop(handler.path.partition("?")[0].rpartition("/")[2])
        return False

    registry.faults.append(forget)
    pushed = push(write_model(), registry.reference(), connection)
    assert pushed.moved == pushed.layers == len(registry.blobs) - 1


def test_registries_without_chunks_get_blobs_whole(
    registry: Any, connection: Connection, write_model: WriteModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "_ALONE", 64 << 10)

    def refuse(handler: Any) -> bool:
        if handler.command == "PATCH":
            handler.body()
            handler.fail(405, "UNSUPPORTED")
            return True
        return False

    registry.faults.append(refuse)
    pushed = push(write_model(), registry.reference(), connection)
    assert pushed.moved == pushed.layers == len(registry.blobs) - 1


def test_layers_are_mounted_from_another_repository(
    registry: Any, connection: Connection, write_model: WriteModel
) -> None:
    push(write_model(), registry.reference(), connection)

    def only_mounts(handler: Any) -> bool:
        if handler.command == "HEAD" and "/team/other/" in handler.path:
            handler.answer(404)
            return True
        return False

    registry.faults.append(only_mounts)
    before = registry.moved
    there = registry.reference("1", "team/other")
    pushed = push(write_model(), there, connection, mount_from="team/net")
    assert pushed.moved == 0
    assert registry.moved - before < 10_000


def test_downloads_go_on_where_a_connection_broke(
    registry: Any, connection: Connection, cache: Cache, write_model: WriteModel, tmp_path: Path
) -> None:
    push(write_model(), registry.reference(), connection)
    cuts = iter([True, True])

    def cut(handler: Any) -> bool:
        data = registry.blobs.get(handler.path.rpartition("/")[2], b"")
        if handler.command == "GET" and len(data) > 200_000 and next(cuts, False):
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data[:150_000])
            handler.wfile.flush()
            handler.close_connection = True
            handler.connection.close()
            return True
        return False

    registry.faults.append(cut)
    pull(registry.reference(), str(tmp_path / "out.pt"), connection, cache)
    assert (tmp_path / "out.pt").read_bytes() == (tmp_path / "net.pt").read_bytes()
    parts = [headers["Range"] for _, _, headers in registry.asked if "Range" in headers]
    assert len(parts) == 2
    assert all(int(part.removeprefix("bytes=").rstrip("-")) > 0 for part in parts)


@pytest.mark.parametrize("lists_referrers", [True, False])
def test_what_refers_to_an_artifact_comes_with_it(
    registry: Any,
    connection: Connection,
    cache: Cache,
    write_model: WriteModel,
    tmp_path: Path,
    lists_referrers: bool,
) -> None:
    registry.lists_referrers = lists_referrers
    attachments = [Attachment(ending=".sig", data=b"{1}"), Attachment(ending=".team.sig", data=b"{2}")]
    for _ in range(2):
        push(write_model(), registry.reference(), connection, attachments=attachments)
    pulled = pull(registry.reference(), str(tmp_path / "out.pt"), connection, cache)
    assert sorted(pulled.attachments, key=lambda each: each.ending) == attachments


def test_names_of_attachments_lead_nowhere(
    registry: Any, connection: Connection, cache: Cache, write_model: WriteModel, tmp_path: Path
) -> None:
    for number, ending in enumerate(("/../../evil.sig", ".\n.sig", ".a/b.sig", ".exe", "")):
        attachment = Attachment(
            ending=f"{ending}" if ending.endswith(".sig") else ".sig", data=b"%d" % number
        )
        push(write_model(), registry.reference(), connection, attachments=[attachment])
    pulled = pull(registry.reference(), str(tmp_path / "out.pt"), connection, cache)
    assert {each.ending for each in pulled.attachments} == {".sig"}


def test_an_importer_s_file_is_pulled_once(
    registry: Any, connection: Connection, cache: Cache, write_model: WriteModel
) -> None:
    path = write_model()
    pinned = push(path, registry.reference(), connection).reference
    found = cached_file(pinned, connection, cache)
    assert Path(found).read_bytes() == Path(path).read_bytes()
    asked = len(registry.asked)
    assert cached_file(pinned, connection, cache) == found
    assert len(registry.asked) == asked


def test_damage_in_the_cache_is_downloaded_again(
    registry: Any, connection: Connection, cache: Cache, write_model: WriteModel, tmp_path: Path
) -> None:
    path = write_model()
    push(path, registry.reference(), connection)
    out = tmp_path / "out.pt"
    pull(registry.reference(), str(out), connection, cache)
    for blob in (tmp_path / "cache").rglob("cas/*/*"):
        status = blob.stat()
        data = bytearray(blob.read_bytes())
        data[len(data) // 2] ^= 1
        blob.chmod(0o600)
        blob.write_bytes(data)
        os.utime(blob, ns=(status.st_atime_ns, status.st_mtime_ns))
    pull(registry.reference(), str(out), connection, cache)
    assert out.read_bytes() == Path(path).read_bytes()


def test_the_file_that_was_pulled_before_is_taken_while_it_is_unchanged(
    registry: Any, connection: Connection, cache: Cache, write_model: WriteModel, tmp_path: Path
) -> None:
    path, out = write_model(), tmp_path / "out.pt"
    push(path, registry.reference(), connection)
    assert pull(registry.reference(), str(out), connection, cache).moved > 3
    for name in ("out.pt", "elsewhere.pt", "out.pt"):
        assert pull(registry.reference(), str(tmp_path / name), connection, cache).moved == 0
    for known in ("out.pt", "elsewhere.pt"):
        data = bytearray((tmp_path / known).read_bytes())
        data[len(data) // 2] ^= 1
        (tmp_path / known).write_bytes(data)
    assert pull(registry.reference(), str(out), connection, cache).moved == 3
    assert out.read_bytes() == Path(path).read_bytes()


def test_a_file_that_lies_about_its_age_is_found_out(
    registry: Any,
    connection: Connection,
    cache: Cache,
    write_model: WriteModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path, out = write_model(), tmp_path / "out.pt"
    push(path, registry.reference(), connection)
    pull(registry.reference(), str(out), connection, cache)
    monkeypatch.setattr(known_layers, "signature_of", lambda status: (0, 0, 0))
    pull(registry.reference(), str(out), connection, cache)
    data = bytearray(out.read_bytes())
    data[len(data) // 2] ^= 1
    out.write_bytes(data)
    assert pull(registry.reference(), str(out), connection, cache).moved == 3
    assert out.read_bytes() == Path(path).read_bytes()


def test_a_full_disk_is_no_fault_of_the_registry(
    registry: Any, connection: Connection, cache: Cache, write_model: WriteModel, small_disk: str
) -> None:
    path = write_model()
    weights = Record(name=".data/0.storage", content=os.urandom(2 << 20))
    write_archive(path, root="net", records=[weights])
    push(path, registry.reference(), connection)
    with pytest.raises(LocalEnvironmentError, match="No space left") as caught:
        pull(registry.reference(), f"{small_disk}/out.pt", connection, cache)
    assert not isinstance(caught.value, RemoteError)
    assert os.listdir(small_disk) == []


def test_a_full_cache_is_no_fault_of_the_registry(
    registry: Any, connection: Connection, write_model: WriteModel, small_disk: str, tmp_path: Path
) -> None:
    path = write_model()
    groups = [Record(name=f"m{number}.txt", content=os.urandom(60 << 10)) for number in range(40)]
    write_archive(path, root="net", records=groups)
    push(path, registry.reference(), connection)
    with closing(open_cache(f"{small_disk}/cache")) as cache:
        with pytest.raises(LocalEnvironmentError, match="no space left to write the cache") as caught:
            pull(registry.reference(), str(tmp_path / "out.pt"), connection, cache)
        assert not isinstance(caught.value, RemoteError)
        assert "--cache-dir" in caught.value.next_step
    assert not (tmp_path / "out.pt").exists()


def test_how_far_a_transfer_is_is_told(
    registry: Any, connection: Connection, cache: Cache, write_model: WriteModel, tmp_path: Path
) -> None:
    path = write_model()
    sent, taken = Progress(), Progress()
    pushed = push(path, registry.reference(), connection, progress=sent)
    pull(registry.reference(), str(tmp_path / "out.pt"), connection, cache, progress=taken)
    for told, layers in ((sent, pushed.layers), (taken, pushed.layers - 1)):  # without the recipe
        travelled = told.travelled()
        assert (travelled.layers, travelled.arrived_layers) == (layers, layers)
        assert 0 < travelled.arrived_bytes == travelled.bytes


def test_a_pull_that_failed_goes_on_with_what_arrived(
    registry: Any, connection: Connection, cache: Cache, write_model: WriteModel, tmp_path: Path
) -> None:
    path, out = write_model(), tmp_path / "out.pt"
    push(path, registry.reference(), connection)
    large = [digest for digest, data in registry.blobs.items() if len(data) > 200_000]

    def fail_one(handler: Any) -> bool:
        if handler.command == "GET" and handler.path.endswith(large[-1]):
            time.sleep(0.5)  # until the others have arrived
            handler.fail(403)
            return True
        return False

    registry.faults.append(fail_one)
    with pytest.raises(RemoteError):
        pull(registry.reference(), str(out), connection, cache)
    assert not out.exists()
    registry.faults.clear()
    before = len(registry.asked)
    assert pull(registry.reference(), str(out), connection, cache).moved == 1
    assert out.read_bytes() == Path(path).read_bytes()
    fetched = [each for method, each, _ in registry.asked[before:] if method == "GET" and "/blobs/" in each]
    assert [each.rpartition("/")[2] for each in fetched] == [large[-1]]
    assert [each.name for each in (tmp_path / "cache").rglob("*pull-*")] == []


def test_equal_records_travel_once(
    registry: Any, connection: Connection, cache: Cache, tmp_path: Path
) -> None:
    path, out = tmp_path / "net.pt", tmp_path / "out.pt"
    same = os.urandom(300 << 10)
    records = [Record(name=f".data/{number}.storage", content=same) for number in range(4)]
    write_archive(str(path), root="net", records=records)
    assert push(str(path), registry.reference(), connection).moved == 2
    assert pull(registry.reference(), str(out), connection, cache).moved == 2
    assert out.read_bytes() == path.read_bytes()
    fetched = [each for method, each, _ in registry.asked if method == "GET" and "/blobs/" in each]
    assert len(fetched) == 2


def test_a_tag_that_is_not_there(registry: Any, connection: Connection, cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(RemoteError, match="no such repository or tag"):
        pull(registry.reference("none"), str(tmp_path / "out.pt"), connection, cache)
    assert not (tmp_path / "out.pt").exists()
