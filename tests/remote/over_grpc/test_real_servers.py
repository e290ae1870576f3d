"""A cache over gRPC as it is: every edition of a real server, and a network that breaks before it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.transport import Blob
from hermpkg_build.store.content import ContentStore

LARGE = os.urandom(9 << 20)
BLOBS = [b"", b"x", os.urandom(5_000), bytes(300_000), os.urandom(1 << 20), os.urandom(4 << 20), LARGE]
DIGESTS = {Digest.of(data): data for data in BLOBS}
ABSENT = {Digest.of(b"never uploaded"), Digest("ab" * 32, 30 << 20)}


def blobs(tmp_path: Any) -> list[Blob]:
    """All blobs, every other one in a file."""
    given = []
    for number, (digest, data) in enumerate(DIGESTS.items()):
        if number % 2:
            (tmp_path / digest.hash).write_bytes(data)
            given.append(Blob(digest=digest, path=str(tmp_path / digest.hash)))
        else:
            given.append(Blob(digest=digest, data=data))
    return given


def test_contents_come_back_as_they_went(
    casd: Any, connect: Any, content: ContentStore, tmp_path: Any
) -> None:
    cache = connect(casd.url)

    before = cache.missing([*DIGESTS, *ABSENT])
    cache.upload(blobs(tmp_path))
    after = cache.missing([*DIGESTS, *ABSENT])
    lost = connect(casd.url).download([*DIGESTS, *ABSENT], content)

    assert before == {*DIGESTS, *ABSENT} - {Digest.of(b"")}
    assert after == lost == ABSENT
    assert {digest: content.get_bytes(digest) for digest in DIGESTS} == DIGESTS


def test_results_come_back_as_they_went(casd: Any, connect: Any) -> None:
    cache = connect(casd.url)
    action, output = Digest.of(b"an action"), Digest.of(LARGE)
    result = messages.ActionResult(stdout_raw=b"facts", exit_code=0)
    result.output_files.append(
        messages.OutputFile(
            path="out", digest=messages.Digest(hash=output.hash, size_bytes=output.size), is_executable=True
        )
    )
    cache.upload([Blob(digest=output, data=LARGE)])

    before = cache.get_result(action)
    cache.put_result(action, result.SerializeToString())
    after = connect(casd.url).get_result(action)

    assert before is None
    assert after is not None
    assert messages.ActionResult.FromString(after) == result


def test_what_is_there_is_uploaded_again_without_harm(casd: Any, connect: Any, tmp_path: Any) -> None:
    cache = connect(casd.url)

    cache.upload(blobs(tmp_path))
    cache.upload(blobs(tmp_path))

    assert cache.missing(DIGESTS) == set()


def test_many_threads_share_one_connection(casd: Any, connect: Any, tmp_path: Any) -> None:
    cache = connect(casd.url)
    wrong: list[object] = []

    def work(number: int) -> None:
        own = [os.urandom(1000 * number + index) for index in range(50)] + [os.urandom(5 << 20)]
        digests = [Digest.of(data) for data in own]
        store = ContentStore(str(tmp_path / f"store{number}"))
        cache.upload([Blob(digest=Digest.of(data), data=data) for data in own])
        if cache.missing(digests) or cache.download(digests, store):
            wrong.append(number)
        if [store.get_bytes(digest) for digest in digests] != own:
            wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_thousands_of_small_blobs_take_few_requests(casd: Any, connect: Any, content: ContentStore) -> None:
    cache = connect(casd.url)
    digests = {Digest.of(b"%d" % number): b"%d" % number for number in range(1_000)}

    cache.upload([Blob(digest=digest, data=data) for digest, data in digests.items()])

    assert cache.download(digests, content) == set()
    assert all(content.get_bytes(digest) == data for digest, data in digests.items())
    assert casd.log().count("BatchReadBlobs request from") <= 2
    assert casd.log().count("Read request from") <= 2


def test_a_download_goes_on_where_the_connection_broke(
    casd: Any, connect: Any, network: Any, content: ContentStore
) -> None:
    connect(casd.url).upload([Blob(digest=Digest.of(LARGE), data=LARGE)])
    unsteady = network(casd.url)
    unsteady.breaks_after = [3 << 20, 3 << 20]

    assert connect(unsteady.url).download([Digest.of(LARGE)], content) == set()
    assert content.get_bytes(Digest.of(LARGE)) == LARGE
    assert unsteady.connections == 3


def test_an_upload_outlives_a_connection_that_breaks(casd: Any, connect: Any, network: Any) -> None:
    unsteady = network(casd.url)
    cache = connect(unsteady.url)
    cache.missing([Digest.of(LARGE)])
    stop = threading.Event()

    def trouble() -> None:
        for _ in range(2):
            stop.wait(0.02)
            unsteady.cut()

    thread = threading.Thread(target=trouble)
    thread.start()
    cache.upload([Blob(digest=Digest.of(LARGE), data=LARGE)])
    thread.join()

    assert connect(casd.url).missing([Digest.of(LARGE)]) == set()


def test_a_server_that_is_killed_and_started_again_is_waited_for(
    casd: Any, connect: Any, content: ContentStore
) -> None:
    cache = connect(casd.url, retries=50)
    cache.upload([Blob(digest=Digest.of(LARGE), data=LARGE)])
    casd.kill()
    thread = threading.Timer(0.5, casd.start)
    thread.start()

    lost = cache.download([Digest.of(LARGE)], content)
    thread.join()

    assert lost == set()


def test_a_server_that_stays_away_is_told_of(casd: Any, connect: Any, content: ContentStore) -> None:
    cache = connect(casd.url, retries=2)
    cache.missing([Digest.of(b"x")])
    casd.kill()

    with pytest.raises(RemoteError, match="cannot download") as caught:
        cache.download([Digest.of(LARGE)], content)

    assert caught.value.kind == "unavailable"
    assert caught.value.server == casd.url
    assert "127.0.0.1" in caught.value.reason


def test_a_slow_server_is_waited_for(
    casd: Any, connect: Any, network: Any, content: ContentStore, tmp_path: Any
) -> None:
    slow = network(casd.url)
    slow.delay_s = 0.01
    cache = connect(slow.url)

    cache.upload(blobs(tmp_path))

    assert cache.download(DIGESTS, content) == set()


def test_one_that_is_too_slow_is_given_up(casd: Any, connect: Any, network: Any) -> None:
    slow = network(casd.url)
    slow.delay_s = 60.0

    with pytest.raises(RemoteError) as caught:
        connect(slow.url, timeout_s=0.3, retries=1).missing([Digest.of(b"x")])

    assert caught.value.kind == "unavailable"
    assert "DEADLINE_EXCEEDED" in caught.value.reason


def test_a_blob_that_rotted_on_the_server_is_absent(casd: Any, connect: Any, content: ContentStore) -> None:
    small, large = os.urandom(1000), LARGE
    cache = connect(casd.url)
    cache.upload([Blob(digest=Digest.of(data), data=data) for data in (small, large)])
    files = casd.blobs()
    for path in (files[Digest.of(small).hash], files[Digest.of(large).hash]):
        path.chmod(0o644)
        rotten = bytearray(path.read_bytes())
        rotten[len(rotten) // 2] ^= 1
        path.write_bytes(rotten)

    lost = cache.download([Digest.of(small), Digest.of(large)], content)

    assert lost == {Digest.of(small), Digest.of(large)}
    assert content.path_of(Digest.of(small)) is None
    assert content.path_of(Digest.of(large)) is None


def test_a_server_without_this_instance_is_not_tried_again(casd: Any, connect: Any) -> None:
    with pytest.raises(RemoteError) as caught:
        connect(casd.url, instance="elsewhere").missing([Digest.of(b"x")])

    assert caught.value.kind == "protocol"
    assert "elsewhere" in caught.value.reason
    assert "remote-instance" in caught.value.next_step


def test_an_instance_is_named_everywhere(
    start_casd: Callable[..., Any], connect: Any, content: ContentStore, tmp_path: Any
) -> None:
    server = start_casd("2.8.1", "--local-server-instance=team")
    cache = connect(server.url, instance="team")
    action = Digest.of(b"an action")

    cache.upload(blobs(tmp_path))
    cache.put_result(action, messages.ActionResult(exit_code=3).SerializeToString())

    assert cache.missing(DIGESTS) == set()
    assert cache.download(DIGESTS, content) == set()
    assert cache.get_result(action) == messages.ActionResult(exit_code=3).SerializeToString()
    with pytest.raises(RemoteError, match="what it can do"):
        connect(server.url).get_result(action)


@pytest.mark.parametrize("edition", ["2.5.0", "2.8.1"])
def test_a_server_without_room_is_told_of(
    edition: str, start_casd: Callable[..., Any], connect: Any, content: ContentStore
) -> None:
    server = start_casd(edition, "--quota-high=2M", "--reserved=0")
    cache = connect(server.url)

    with pytest.raises(RemoteError) as caught:
        cache.upload([Blob(digest=Digest.of(LARGE), data=LARGE)])

    assert caught.value.kind == "full"
    assert server.log().count("Write request from") == 1
    cache.upload([Blob(digest=Digest.of(b"x"), data=b"x")])
    assert cache.download([Digest.of(b"x")], content) == set()


def test_a_peer_that_falls_silent_holds_nobody(
    start_casd: Callable[..., Any], connect: Any, network: Any
) -> None:
    slow = network(start_casd("2.8.1").url)
    slow.delay_s = 0.05
    cache = connect(slow.url, timeout_s=1.0, retries=1)
    contents = [os.urandom(900_000) for _ in range(12)] + [os.urandom(9 << 20) for _ in range(3)]

    with pytest.raises(RemoteError):
        cache.upload([Blob(digest=Digest.of(data), data=data) for data in contents])
    # Nothing of what is on its way is read any more, and nothing is said of it.
    slow.cut()
    closing = threading.Thread(target=cache.close, daemon=True)
    closing.start()
    closing.join(60)

    assert not closing.is_alive()
