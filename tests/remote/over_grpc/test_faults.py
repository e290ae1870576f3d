"""A cache that misbehaves: what is tried again, what is given up, what never enters the store."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import zstandard

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.remote.grpc.failures import CallFailedError
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.transport import Blob
from hermpkg_build.store.content import ContentStore

SMALL = b"small" * 200
RANDOM = os.urandom(3 << 20)
TEXT = b"".join(b"%d lines of text that repeat themselves\n" % number for number in range(150_000))
ACTION = Digest.of(b"an action")


def blob(data: bytes) -> Blob:
    return Blob(digest=Digest.of(data), data=data)


def give(cache: Any, *contents: bytes) -> list[Digest]:
    """Put contents onto the server, past the client."""
    cache.blobs.update({Digest.of(data): data for data in contents})
    return [Digest.of(data) for data in contents]


@pytest.mark.parametrize("code", ["UNAVAILABLE", "ABORTED", "INTERNAL", "UNKNOWN", "RESOURCE_EXHAUSTED"])
def test_what_may_pass_is_tried_again(cache: Any, serve: Any, connect: Any, code: str) -> None:
    cache.failures = {"GetCapabilities": [code], "GetActionResult": [code, code]}
    cache.results[ACTION] = messages.ActionResult(exit_code=7)

    found = connect(serve(cache)).get_result(ACTION)

    assert messages.ActionResult.FromString(found).exit_code == 7
    assert len(cache.asked("GetActionResult")) == 3


def test_retries_come_to_an_end(cache: Any, serve: Any, connect: Any) -> None:
    cache.failures = {"FindMissingBlobs": ["UNAVAILABLE"] * 10}
    url = serve(cache)

    with pytest.raises(RemoteError) as caught:
        connect(url, retries=3).missing([ACTION])

    assert (caught.value.kind, caught.value.server) == ("unavailable", url)
    assert "as it was told" in caught.value.reason
    assert len(cache.asked("FindMissingBlobs")) == 4


def test_who_never_answers_is_waited_for_once_by_all_threads(connect: Any) -> None:
    kinds = []
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"grpc://127.0.0.1:{mute.getsockname()[1]}"
        silent = connect(url, first_answer_s=0.3, timeout_s=600.0, retries=1000)

        def ask() -> None:
            with pytest.raises(RemoteError) as caught:
                silent.get_result(ACTION)
            kinds.append(caught.value.kind)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert kinds == ["unavailable"] * 4


def test_who_has_answered_once_may_be_slow(cache: Any, serve: Any, connect: Any, network: Any) -> None:
    between = network(serve(cache))
    for _ in range(20):
        slow = connect(between.url, first_answer_s=0.6, retries=0)
        # A busy machine may be no quicker with the first answer.
        with suppress(RemoteError):
            slow.missing([ACTION])
            break
    between.delay_s = 0.8

    assert slow.missing([ACTION]) == {ACTION}


@pytest.mark.parametrize("code", ["UNAVAILABLE", "UNAUTHENTICATED"])
def test_what_the_server_cannot_do_is_asked_by_one_thread_for_all(
    cache: Any, serve: Any, connect: Any, code: str
) -> None:
    cache.failures = {"GetCapabilities": [code] * 10}
    refused = connect(serve(cache), retries=1)
    for _ in range(3):
        with pytest.raises(RemoteError):
            refused.get_result(ACTION)
    assert len(cache.asked("GetCapabilities")) == (2 if code == "UNAVAILABLE" else 1)


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "FAILED_PRECONDITION", "UNIMPLEMENTED"])
def test_what_does_not_pass_is_not_tried_again(cache: Any, serve: Any, connect: Any, code: str) -> None:
    cache.failures = {"FindMissingBlobs": [code]}

    with pytest.raises(RemoteError) as caught:
        connect(serve(cache)).missing([ACTION])

    assert caught.value.kind == "protocol"
    assert len(cache.asked("FindMissingBlobs")) == 1


def test_one_refusal_is_answered_with_a_new_token(
    cache: Any, serve: Any, connect: Any, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    cache.token = "old"
    client = connect(serve(cache), token_file=str(token))
    client.missing([ACTION])
    token.write_text("new")
    cache.token = "new"
    give(cache, RANDOM)

    assert client.missing([ACTION]) == {ACTION}
    assert cache.calls[-1][2]["authorization"] == "Bearer new"


def test_a_wrong_token_is_told_of(cache: Any, serve: Any, connect: Any, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("wrong")
    cache.token = "right"

    with pytest.raises(RemoteError) as caught:
        connect(serve(cache), token_file=str(tmp_path / "token")).get_result(ACTION)

    assert caught.value.kind == "denied"
    assert "who are you?" in caught.value.reason
    assert "remote-token-file" in caught.value.next_step
    assert "wrong" not in str(caught.value)
    assert len(cache.calls) == 2


def test_this_machine_is_never_asked_through_a_proxy(
    cache: Any, serve: Any, connect: Any, listener: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("grpc_proxy", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{listener.free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("no_grpc_proxy", raising=False)

    assert connect(serve(cache), retries=0).missing([ACTION]) == {ACTION}


@pytest.mark.parametrize(("name", "value"), [("x-team", "é"), ("x-team", "a\tb"), ("x!y", "1")])
def test_a_header_that_grpc_does_not_carry_is_named(
    cache: Any, serve: Any, connect: Any, name: str, value: str
) -> None:
    with pytest.raises(RemoteError) as caught:
        connect(serve(cache), headers=((name, value),)).missing([ACTION])

    assert caught.value.kind == "denied"
    assert repr(name) in caught.value.summary


def test_binary_headers_carry_anything(cache: Any, serve: Any, connect: Any) -> None:
    connect(serve(cache), headers=(("x-team-bin", "é"),)).missing([ACTION])

    assert cache.calls[0][2]["x-team-bin"] == "é".encode()


def test_a_server_that_says_much_is_cut_short() -> None:
    told = CallFailedError("INTERNAL", "<html>" * 1000).remote_error("ask", server="grpc://x:1")

    assert told.reason.startswith("<html>")
    assert told.reason.endswith("… (INTERNAL)")
    assert len(told.reason) < 600


def test_streams_carry_credentials_too(cache: Any, serve: Any, connect: Any, content: ContentStore) -> None:
    cache.token = "secret"
    client = connect(serve(cache), headers=(("Authorization", "Bearer secret"), ("X-Team", "vision")))

    client.upload([blob(RANDOM)])

    assert client.download([Digest.of(RANDOM)], content) == set()
    assert {metadata["x-team"] for _, _, metadata in cache.calls} == {"vision"}


def test_requests_say_which_tool_asks(cache: Any, serve: Any, connect: Any) -> None:
    connect(serve(cache)).missing([ACTION])

    sent = cache.calls[-1][2]["build.bazel.remote.execution.v2.requestmetadata-bin"]
    assert messages.RequestMetadata.FromString(sent).tool_details.tool_name == "hermpkg"


def test_refused_writes_leave_reads_possible(
    cache: Any, serve: Any, connect: Any, content: ContentStore
) -> None:
    cache.failures = {"Write": ["PERMISSION_DENIED"] * 2, "BatchUpdateBlobs": ["PERMISSION_DENIED"] * 2}
    give(cache, SMALL)
    client = connect(serve(cache))

    with pytest.raises(RemoteError) as caught:
        client.upload([blob(RANDOM)])

    assert caught.value.kind == "denied"
    assert client.download([Digest.of(SMALL)], content) == set()


def test_an_action_cache_that_is_only_read_is_told_of(cache: Any, serve: Any, connect: Any) -> None:
    cache.capabilities.cache_capabilities.action_cache_update_capabilities.update_enabled = False

    with pytest.raises(RemoteError) as caught:
        connect(serve(cache)).put_result(ACTION, b"")

    assert caught.value.kind == "denied"
    assert cache.asked("UpdateActionResult") == []


@pytest.mark.parametrize("contents", [SMALL, RANDOM])
def test_a_server_without_room_is_told_of(cache: Any, serve: Any, connect: Any, contents: bytes) -> None:
    full = ["RESOURCE_EXHAUSTED"] * 10
    cache.failures = {"Write": list(full), "BatchUpdateBlobs": list(full)}

    with pytest.raises(RemoteError) as caught:
        connect(serve(cache), retries=1).upload([blob(contents)])

    assert caught.value.kind == "full"


def test_parts_of_a_batch_that_failed_are_sent_again_alone(cache: Any, serve: Any, connect: Any) -> None:
    cache.blob_failures = {Digest.of(b"2"): ["UNAVAILABLE", "ABORTED"]}

    connect(serve(cache)).upload([blob(b"1"), blob(b"2"), blob(b"3")])

    assert [len(request.requests) for request in cache.asked("BatchUpdateBlobs")] == [3, 1, 1]
    assert set(cache.blobs) == {Digest.of(b"1"), Digest.of(b"2"), Digest.of(b"3")}


def test_parts_of_a_batch_that_failed_are_asked_for_again_alone(
    cache: Any, serve: Any, connect: Any, content: ContentStore
) -> None:
    digests = give(cache, b"1", b"2", b"3")
    cache.blob_failures = {digests[1]: ["UNAVAILABLE"], digests[2]: ["DATA_LOSS"]}

    assert connect(serve(cache)).download(digests, content) == {digests[2]}
    assert [len(request.digests) for request in cache.asked("BatchReadBlobs")] == [3, 1]


@pytest.mark.parametrize("contents", [SMALL, RANDOM])
@pytest.mark.parametrize(
    "tampering",
    [
        lambda _, data: data[:-1],
        lambda _, data: data + b"more",
        lambda _, data: b"",
        lambda _, data: bytes([data[0] ^ 1]) + data[1:],
        lambda _, data: data[:-1] + bytes([data[-1] ^ 1]),
    ],
    ids=["truncated", "too long", "empty", "first byte", "last byte"],
)
@pytest.mark.parametrize("zstd", [False, True])
def test_wrong_bytes_are_absent_and_never_enter_the_store(
    cache: Any, serve: Any, connect: Any, content: ContentStore, contents: bytes, tampering: Any, zstd: bool
) -> None:
    if zstd:
        cache.capabilities.cache_capabilities.supported_compressors.append(messages.Compressor.ZSTD)
    [digest] = give(cache, contents)
    cache.tampering = tampering

    lost = connect(serve(cache)).download([digest], content)

    # What comes behind a blob that is whole does it no harm: a stream is read no further.
    whole = content.path_of(digest) is not None
    assert lost == (set() if whole else {digest})
    assert not whole or content.get_bytes(digest) == contents
    assert not whole or len(tampering(digest, contents)) > len(contents)
    assert not any(
        files for folder, _, files in os.walk(content.root) if "/tmp/" in f"{folder}/"[len(content.root) :]
    )


def test_no_blob_unpacks_to_more_than_it_should(
    cache: Any, serve: Any, connect: Any, content: ContentStore
) -> None:
    cache.capabilities.cache_capabilities.supported_compressors.append(messages.Compressor.ZSTD)
    bomb = zstandard.compress(bytes(256 << 20))
    digests = give(cache, SMALL, RANDOM)
    cache.tampering = lambda digest, data: bomb if digest == digests[0] else bytes(64 << 20)

    assert connect(serve(cache)).download(digests, content) == set(digests)


def test_a_read_goes_on_behind_the_last_byte_that_came(
    cache: Any, serve: Any, connect: Any, content: ContentStore
) -> None:
    [digest] = give(cache, RANDOM)
    cache.reads_end_after = [1 << 20, 1, (1 << 20) + 5]

    assert connect(serve(cache), retries=2).download([digest], content) == set()
    offsets = [request.read_offset for request in cache.asked("Read")]
    assert offsets == [0, 1 << 20, (1 << 20) + 1, (2 << 20) + 6]
    assert content.get_bytes(digest) == RANDOM


def test_a_read_that_gets_nowhere_is_given_up(
    cache: Any, serve: Any, connect: Any, content: ContentStore
) -> None:
    [digest] = give(cache, RANDOM)
    cache.reads_end_after = [0] * 20

    with pytest.raises(RemoteError) as caught:
        connect(serve(cache), retries=2).download([digest], content)

    assert caught.value.kind == "unavailable"
    assert len(cache.asked("Read")) == 3


def test_a_read_that_stands_still_is_begun_again(
    cache: Any, serve: Any, connect: Any, content: ContentStore
) -> None:
    [digest] = give(cache, RANDOM)
    cache.piece = 2 << 20
    cache.stalls_s = 60.0

    assert connect(serve(cache), timeout_s=0.5, retries=20).download([digest], content) == set()
    # A busy machine may get nothing across in that time, once or twice.
    offsets = [request.read_offset for request in cache.asked("Read")]
    assert sorted(set(offsets)) == [0, 2 << 20]
    assert offsets == sorted(offsets)


def test_a_long_read_that_moves_is_not_given_up(
    cache: Any, serve: Any, connect: Any, content: ContentStore
) -> None:
    [digest] = give(cache, RANDOM)
    cache.piece = 256 << 10
    cache.stalls_s = 0.1

    url = serve(cache)
    # Where the machine itself stands still for a moment, that one download is given up.
    for _ in range(20):
        with suppress(RemoteError):
            assert connect(url, timeout_s=0.6, retries=0).download([digest], content) == set()
            break
    assert content.get_bytes(digest) == RANDOM
    assert {request.read_offset for request in cache.asked("Read")} == {0}


def test_a_read_that_gets_on_byte_by_byte_is_given_up(
    cache: Any, serve: Any, connect: Any, content: ContentStore
) -> None:
    [digest] = give(cache, RANDOM)
    cache.reads_end_after = [1] * 100
    with pytest.raises(RemoteError, match="cannot download"):
        connect(serve(cache), retries=3).download([digest], content)
    assert len(cache.asked("Read")) == 4


def test_a_read_that_crawls_is_given_up(cache: Any, serve: Any, connect: Any, content: ContentStore) -> None:
    [digest] = give(cache, RANDOM)
    cache.piece, cache.stalls_s = 100, 0.05
    with pytest.raises(RemoteError, match=r"bytes moved for 0\.5 s"):
        connect(serve(cache), timeout_s=0.5, retries=100).download([digest], content)
    assert len(cache.asked("Read")) <= 3


def test_a_write_goes_on_where_the_server_stands(cache: Any, serve: Any, connect: Any) -> None:
    cache.writes_end_after = [1 << 20, 1 << 20]

    connect(serve(cache), retries=1).upload([blob(RANDOM)])

    writes = cache.asked("Write")
    assert [request.write_offset for request in writes][:2] == [0, 1 << 20]
    assert len({request.resource_name for request in writes}) == 1
    assert cache.blobs[Digest.of(RANDOM)] == RANDOM


def test_a_write_begins_anew_where_the_server_forgot(cache: Any, serve: Any, connect: Any) -> None:
    cache.writes_end_after = [1 << 20, 2 << 20]
    cache.forgets_writes = True

    connect(serve(cache), retries=3).upload([blob(RANDOM)])

    assert {request.write_offset for request in cache.asked("Write")} == {0}
    assert cache.blobs[Digest.of(RANDOM)] == RANDOM


def test_a_write_ends_early_where_the_server_has_the_blob(cache: Any, serve: Any, connect: Any) -> None:
    give(cache, RANDOM, TEXT)
    cache.capabilities.cache_capabilities.supported_compressors.append(messages.Compressor.ZSTD)

    connect(serve(cache), retries=0).upload([blob(RANDOM), blob(TEXT)])

    assert len(cache.asked("Write")) == 2


def test_what_compresses_travels_compressed(
    cache: Any, serve: Any, connect: Any, content: ContentStore
) -> None:
    able = cache.capabilities.cache_capabilities
    able.supported_compressors.append(messages.Compressor.ZSTD)
    able.supported_batch_update_compressors.append(messages.Compressor.ZSTD)
    cache.writes_end_after = [1000]
    cache.reads_end_after = [1000]
    contents = [SMALL, TEXT, RANDOM, b"tiny"]
    client = connect(serve(cache))

    client.upload([blob(data) for data in contents])
    lost = client.download([Digest.of(data) for data in contents], content)

    assert lost == set()
    assert [cache.blobs[Digest.of(data)] for data in contents] == contents
    compressed = {request.resource_name.split("/")[-4] for request in cache.asked("Write")}
    assert {"compressed-blobs"} < compressed
    sent = {
        part.digest.hash: part for request in cache.asked("BatchUpdateBlobs") for part in request.requests
    }
    assert sent[Digest.of(SMALL).hash].compressor == messages.Compressor.ZSTD
    assert sent[Digest.of(b"tiny").hash].compressor == messages.Compressor.IDENTITY
    assert all("compressed-blobs/zstd" in request.resource_name for request in cache.asked("Read"))


def test_nothing_is_compressed_where_nobody_wants_it(
    cache: Any, serve: Any, connect: Any, content: ContentStore
) -> None:
    able = cache.capabilities.cache_capabilities
    able.supported_compressors.append(messages.Compressor.ZSTD)
    able.supported_batch_update_compressors.append(messages.Compressor.ZSTD)
    client = connect(serve(cache), compression=False)

    client.upload([blob(SMALL), blob(TEXT)])
    client.download([Digest.of(SMALL), Digest.of(TEXT)], content)

    assert all("compressed" not in request.resource_name for request in cache.asked("Read"))
    assert all("compressed" not in request.resource_name for request in cache.asked("Write"))
    assert not any(request.acceptable_compressors for request in cache.asked("BatchReadBlobs"))


def test_batches_keep_to_what_the_server_takes(
    cache: Any, serve: Any, connect: Any, content: ContentStore
) -> None:
    cache.capabilities.cache_capabilities.max_batch_total_size_bytes = 10_000
    contents = [os.urandom(1_000) for _ in range(40)] + [os.urandom(12_000)]
    client = connect(serve(cache))

    client.upload([blob(data) for data in contents])
    lost = client.download([Digest.of(data) for data in contents], content)

    assert lost == set()
    batches = cache.asked("BatchUpdateBlobs")
    assert max(sum(len(part.data) for part in batch.requests) for batch in batches) <= 10_000
    assert len(cache.asked("Write")) == len(cache.asked("Read")) == 1


def test_a_blob_larger_than_the_server_takes_is_not_sent(cache: Any, serve: Any, connect: Any) -> None:
    cache.capabilities.cache_capabilities.max_cas_blob_size_bytes = 1 << 20

    with pytest.raises(RemoteError) as caught:
        connect(serve(cache)).upload([blob(RANDOM)])

    assert caught.value.kind == "full"
    assert cache.asked("Write") == []


@pytest.mark.parametrize("contents", [SMALL, RANDOM, TEXT])
@pytest.mark.parametrize("zstd", [False, True])
@pytest.mark.parametrize(
    "becomes",
    [lambda path: path.unlink(), lambda path: path.write_bytes(b"other bytes")],
    ids=["gone", "changed"],
)
def test_a_file_that_changed_is_left_out(
    cache: Any, serve: Any, connect: Any, tmp_path: Path, contents: bytes, zstd: bool, becomes: Any
) -> None:
    if zstd:
        cache.capabilities.cache_capabilities.supported_compressors.append(messages.Compressor.ZSTD)
    path = tmp_path / "file"
    path.write_bytes(contents)
    becomes(path)

    connect(serve(cache), retries=0).upload([Blob(digest=Digest.of(contents), path=str(path)), blob(b"kept")])

    assert set(cache.blobs) == {Digest.of(b"kept")}


def test_a_cache_without_sha256_is_not_used(cache: Any, serve: Any, connect: Any) -> None:
    cache.capabilities.cache_capabilities.ClearField("digest_functions")
    cache.capabilities.cache_capabilities.digest_functions.append(messages.DigestFunction.BLAKE3)

    with pytest.raises(RemoteError, match="SHA-256") as caught:
        connect(serve(cache)).get_result(ACTION)

    assert caught.value.kind == "protocol"


def test_a_cache_of_another_version_is_not_used(cache: Any, serve: Any, connect: Any) -> None:
    cache.capabilities.low_api_version.major = cache.capabilities.high_api_version.major = 3

    with pytest.raises(RemoteError, match="another version"):
        connect(serve(cache)).get_result(ACTION)


def test_capabilities_are_asked_for_once(cache: Any, serve: Any, connect: Any, content: ContentStore) -> None:
    client = connect(serve(cache))

    client.get_result(ACTION)
    client.missing([ACTION])
    client.download([ACTION], content)

    assert len(cache.asked("GetCapabilities")) == 1


def test_the_empty_blob_never_travels(cache: Any, serve: Any, connect: Any, content: ContentStore) -> None:
    client = connect(serve(cache))
    empty = Digest.of(b"")

    client.upload([blob(b"")])

    assert client.missing([empty]) == set()
    assert client.download([empty], content) == set()
    assert content.get_bytes(empty) == b""
    assert {name for name, _, _ in cache.calls} <= {"GetCapabilities"}


def test_close_ends_what_is_under_way(cache: Any, serve: Any, connect: Any, content: ContentStore) -> None:
    digests = give(cache, *(RANDOM + bytes([number]) for number in range(8)))
    cache.stalls_s = 1.0
    cache.piece = 64 << 10
    client = connect(serve(cache))
    raised: list[BaseException] = []

    def work() -> None:
        try:
            client.download(digests, content)
        except RemoteError as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while not cache.asked("Read") and thread.is_alive():
        time.sleep(0.01)
    client.close()
    thread.join(30)

    assert not thread.is_alive()
    assert len(raised) == 1


def test_an_address_that_is_none_is_told_of(connect: Callable[..., Any]) -> None:
    for url in ("grpc://", "grpc://host:1/path", "ftp://host", "grpc://host:port"):
        with pytest.raises(RemoteError) as caught:
            connect(url)
        assert caught.value.kind == "protocol"


def test_child_processes_are_not_disturbed(
    cache: Any, serve: Any, connect: Any, content: ContentStore, capfd: pytest.CaptureFixture[str]
) -> None:
    digests = give(cache, *(RANDOM + bytes([number]) for number in range(4)))
    client = connect(serve(cache))
    thread = threading.Thread(target=client.download, args=(digests, content))
    thread.start()
    for _ in range(20):
        # A function to run in the child makes it a fork, not a vfork.
        done = subprocess.run(["true"], check=True, preexec_fn=os.getpid)
        assert done.returncode == 0
    thread.join()
    client.close()

    assert all(stat.S_ISREG(os.stat(content.path_of(digest) or "").st_mode) for digest in digests)
    assert capfd.readouterr().err == ""
