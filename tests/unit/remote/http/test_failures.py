"""A server may fail in every way: what passes is tried again, what is wrong is never believed."""

from __future__ import annotations

import os
import random
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.remote.transport import Blob
from hermpkg_build.store.content import ContentStore

KEY = Digest.of(b"an action")
LARGE = random.Random(0).randbytes(6_400_000)
"""6.4 MB, none of its parts like another."""

DIGEST = Digest.of(LARGE)
PATH = f"/cas/{DIGEST.hash}"


def ranges(server) -> list[str]:
    return [request.headers.get("range", "") for request in server.requests]


def breaks_after(count: int, *, parts: bool = True) -> Callable:
    """Sends `count` bytes of what was asked for and hangs up; a server of no `parts` begins anew."""

    def answer(handler) -> None:
        asked = handler.headers.get("Range", "bytes=0-")
        start = int(asked[6:-1]) if parts else 0
        body = LARGE[start : start + count]
        part = {"Content_Range": f"bytes {start}-{len(LARGE) - 1}/{len(LARGE)}"} if start else {}
        handler.answer(206 if start else 200, body, Content_Length=len(LARGE) - start, **part)
        handler.hang_up()

    return answer


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_passes_is_tried_again(server, transport, content, status: int) -> None:
    server.stored[PATH] = LARGE
    server.odd += [lambda handler: handler.answer(status, b"later")] * 3
    assert transport.download([DIGEST], content) == set()
    assert content.get_bytes(DIGEST) == LARGE
    assert len(server.requests) == 4


def test_what_does_not_pass_is_unavailable(server, transport) -> None:
    server.odd += [lambda handler: handler.answer(503)] * 4
    with pytest.raises(RemoteError, match="cannot look for the result") as caught:
        transport.get_result(KEY)
    assert caught.value.kind == "unavailable"
    assert caught.value.reason == f"503 Service Unavailable (GET {server.url}/ac/{KEY.hash})"
    assert "check that the server runs" in caught.value.next_step
    assert len(server.requests) == 4


def test_retry_after_is_honoured(server, transport) -> None:
    server.odd.append(lambda handler: handler.answer(429, Retry_After=1))
    start = time.monotonic()
    assert transport.get_result(KEY) is None
    assert time.monotonic() - start >= 1


def test_nobody_waits_longer_than_for_an_answer(server, transport) -> None:
    server.odd.append(lambda handler: handler.answer(503, Retry_After=3600))
    with pytest.raises(RemoteError) as caught:
        transport.get_result(KEY)
    assert caught.value.kind == "unavailable"
    assert len(server.requests) == 1


def test_a_retry_after_that_is_none_is_ignored(server, transport) -> None:
    server.odd.append(lambda handler: handler.answer(503, Retry_After="soon"))
    assert transport.get_result(KEY) is None


def test_a_download_goes_on_where_it_broke(server, transport, content) -> None:
    server.stored[PATH] = LARGE
    server.odd += [breaks_after(2_000_000), breaks_after(100_000)]
    assert transport.download([DIGEST], content) == set()
    assert content.get_bytes(DIGEST) == LARGE
    assert ranges(server) == ["", "bytes=2000000-", "bytes=2100000-"]


def test_progress_makes_patience_new(server, transport, content) -> None:
    server.stored[PATH] = LARGE
    server.odd += [breaks_after(1 << 20)] * 6
    assert transport.download([DIGEST], content) == set()
    assert len(server.requests) == 7


def test_crumbs_are_no_progress(server, transport, content) -> None:
    server.odd += [breaks_after(1)] * 10
    with pytest.raises(RemoteError) as caught:
        transport.download([DIGEST], content)
    assert caught.value.kind == "unavailable"
    assert "in the middle of an answer" in caught.value.reason
    assert len(server.requests) == 4
    assert os.listdir(os.path.join(content.root, "tmp")) == []


def test_a_server_without_parts_begins_anew(server, transport, content) -> None:
    server.stored[PATH] = LARGE
    server.odd += [breaks_after(2_000_000), lambda handler: handler.answer(200, LARGE)]
    assert transport.download([DIGEST], content) == set()
    assert content.get_bytes(DIGEST) == LARGE
    assert ranges(server) == ["", "bytes=2000000-", ""]


def test_a_server_without_parts_that_always_breaks_is_given_up(server, transport, content) -> None:
    server.odd += [breaks_after(3_000_000, parts=False)] * 40
    with pytest.raises(RemoteError) as caught:
        transport.download([DIGEST], content)
    assert caught.value.kind == "unavailable"
    assert len(server.requests) <= 12


@pytest.mark.parametrize(
    "part",
    [
        lambda handler: handler.answer(416),
        lambda handler: handler.answer(206, LARGE[5:], Content_Range=f"bytes 5-{len(LARGE) - 1}/*"),
        lambda handler: handler.answer(206, LARGE[2_000_000:]),
    ],
)
def test_another_part_than_was_asked_for_is_not_taken(server, transport, content, part: Callable) -> None:
    server.stored[PATH] = LARGE
    server.odd += [breaks_after(2_000_000), part]
    assert transport.download([DIGEST], content) == set()
    assert content.get_bytes(DIGEST) == LARGE


def truncated(handler) -> None:
    handler.answer(200, LARGE[:-1])


def too_long(handler) -> None:
    handler.answer(200, LARGE + b"x")


def other(handler) -> None:
    handler.answer(200, LARGE[:-1] + b"x")


def ends_early_without_a_length(handler) -> None:
    handler.answer(200, LARGE[:-1], Connection="close", Transfer_Encoding="identity")
    handler.hang_up()


def endless(handler) -> None:
    handler.answer(200, Transfer_Encoding="chunked")
    while True:
        handler.wfile.write(b"100000\r\n" + bytes(1 << 20) + b"\r\n")


def endless_without_a_length(handler) -> None:
    handler.answer(200, Connection="close", Transfer_Encoding="identity")
    while True:
        handler.wfile.write(bytes(1 << 20))


def compressed(handler) -> None:
    import gzip

    handler.answer(200, gzip.compress(LARGE, 1), Content_Encoding="gzip")


@pytest.mark.parametrize(
    "wrong",
    [truncated, too_long, other, ends_early_without_a_length, endless, endless_without_a_length, compressed],
)
def test_wrong_bytes_never_enter_the_store(server, transport, content, wrong: Callable) -> None:
    server.odd.append(wrong)
    assert transport.download([DIGEST], content) == {DIGEST}
    assert content.path_of(DIGEST) is None
    assert os.listdir(os.path.join(content.root, "tmp")) == []
    # The server is not out of favour for it.
    assert transport.download([DIGEST], content) == {DIGEST}


def test_a_body_in_chunks_is_fine(server, transport, content) -> None:
    def chunked(handler) -> None:
        handler.answer(200, Transfer_Encoding="chunked")
        for start in range(0, len(LARGE), 999_999):
            piece = LARGE[start : start + 999_999]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        handler.wfile.write(b"0\r\n\r\n")

    server.odd.append(chunked)
    assert transport.download([DIGEST], content) == set()
    assert content.get_bytes(DIGEST) == LARGE


@pytest.mark.parametrize("wrong", [endless, endless_without_a_length])
def test_an_endless_result_is_none(server, transport, wrong: Callable) -> None:
    server.odd.append(wrong)
    assert transport.get_result(KEY) is None


def test_a_broken_result_is_asked_for_again(server, transport) -> None:
    transport.put_result(KEY, b"result")

    def broken(handler) -> None:
        handler.answer(200, b"res", Content_Length=6)
        handler.hang_up()

    server.odd += [broken, broken]
    assert transport.get_result(KEY) == b"result"


def silent(handler) -> None:
    handler.server.over.wait(60)


def drips_headers(handler) -> None:
    handler.connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for i in range(10_000):
        handler.connection.sendall(b"X-%d: y\r\n" % i if i < 90 else b"z")
        time.sleep(0.05)


def drips_body(handler) -> None:
    handler.answer(200, Content_Length=len(LARGE))
    for i in range(10_000):
        handler.connection.sendall(LARGE[i : i + 1])
        time.sleep(0.05)


@pytest.mark.parametrize("slow", [silent, drips_headers, drips_body])
def test_a_server_that_stalls_is_given_up(server, new_transport, content, slow: Callable) -> None:
    transport = new_transport(server.url, timeout_s=0.5, retries=1)
    server.odd += [slow] * 4
    with pytest.raises(RemoteError) as caught:
        transport.download([DIGEST], content)
    assert caught.value.kind == "unavailable"
    assert "does not answer in time" in caught.value.reason


def test_who_crawls_is_asked_once(server, new_transport, content) -> None:
    transport = new_transport(server.url, timeout_s=0.5, retries=5)
    server.odd += [drips_body] * 9
    with pytest.raises(RemoteError, match="cannot download") as caught:
        transport.download([DIGEST], content)
    assert re.search("only .* bytes in 0.5 s", caught.value.reason)
    assert len(server.odd) == 8


@pytest.mark.parametrize("piece", [b"HTTP/1.1 100 Continue\r\n\r\n", b"X: y\r\n", b"z"])
def test_a_head_without_end_is_given_up(server, new_transport, piece: bytes) -> None:
    def endless(handler) -> None:
        handler.connection.sendall(b"" if piece.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\n")
        with suppress(OSError):
            while True:
                handler.connection.sendall(piece * 100)

    server.odd += [endless] * 9
    with pytest.raises(RemoteError):
        new_transport(server.url, timeout_s=60, retries=5).get_result(KEY)


def test_a_result_comes_in_time_or_not_at_all(server, new_transport) -> None:
    def goes_on(handler) -> None:
        handler.connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(OSError):
            while True:
                handler.connection.sendall(bytes(100_000))
                time.sleep(0.02)

    server.odd += [goes_on] * 9
    with pytest.raises(RemoteError) as caught:
        new_transport(server.url, timeout_s=0.8, retries=5).get_result(KEY)
    assert "its answer goes on after 0.4 s" in caught.value.reason
    assert len(server.odd) == 8


@pytest.mark.parametrize(("after", "least"), [("1", 98), ("0", 70)])
def test_all_attempts_together_have_a_limit(server, new_transport, after: str, least: int) -> None:
    def asks_to_wait(handler) -> None:
        handler.answer(503, Retry_After=after, Content_Length="0")

    transport = new_transport(server.url, timeout_s=1.0, retries=1000)
    server.odd += [asks_to_wait] * 99
    with pytest.raises(RemoteError) as caught:
        transport.get_result(KEY)
    assert "503" in caught.value.reason
    assert len(server.odd) >= least


def test_who_never_answers_is_waited_for_once(new_transport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        transport = new_transport(url, first_answer_s=0.3, timeout_s=600, retries=1000)
        for _ in range(3):
            with pytest.raises(RemoteError) as caught:
                transport.get_result(KEY)
            assert caught.value.kind == "unavailable"
            assert "does not answer in time" in caught.value.reason


def test_who_has_answered_once_may_be_slow(server, new_transport) -> None:
    def slow(handler) -> None:
        time.sleep(0.5)
        handler.well()

    for _ in range(20):
        transport = new_transport(server.url, first_answer_s=0.2, retries=0)
        # A busy machine may be no quicker with the first answer.
        with suppress(RemoteError):
            transport.put_result(KEY, b"result")
            break
    server.odd.append(slow)
    assert transport.get_result(KEY) == b"result"


def test_a_slow_server_that_sends_enough_is_not_given_up(server, new_transport, content) -> None:
    data = LARGE[: 32 << 14]
    digest = Digest.of(data)

    def slow(handler) -> None:
        handler.answer(200, Content_Length=len(data))
        for start in range(0, len(data), 1 << 15):
            handler.connection.sendall(data[start : start + (1 << 15)])
            time.sleep(0.05)

    # Where the machine itself stands still for a moment, that one download is given up.
    for _ in range(20):
        server.odd.append(slow)
        with suppress(RemoteError):
            assert new_transport(server.url, timeout_s=0.5, retries=0).download([digest], content) == set()
            break
    assert content.get_bytes(digest) == data


def test_a_server_that_takes_nothing_is_given_up(new_transport, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        transport = new_transport(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout_s=0.5, retries=0)
        with pytest.raises(RemoteError) as caught:
            transport.upload([Blob(digest=DIGEST, data=LARGE)])
    assert caught.value.kind == "unavailable"


def test_nobody_listens(new_transport) -> None:
    # As long as it is bound nobody else listens there.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        transport = new_transport(f"http://127.0.0.1:{taken.getsockname()[1]}", retries=1)
        with pytest.raises(RemoteError) as caught:
            transport.get_result(KEY)
    assert caught.value.kind == "unavailable"
    assert "Connection refused" in caught.value.reason


def test_a_host_that_does_not_exist(new_transport) -> None:
    with pytest.raises(RemoteError) as caught:
        new_transport("http://cache.invalid", retries=0).get_result(KEY)
    assert caught.value.kind == "unavailable"


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(200)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\x00\x18\x04\x00\x00\x00\x00\x00" + bytes(24),
    ],
)
def test_what_is_not_http_is_not_asked_twice(server, transport, said: bytes) -> None:
    def strange(handler) -> None:
        handler.connection.sendall(said)
        handler.hang_up()

    server.odd += [strange] * 2
    with pytest.raises(RemoteError) as caught:
        transport.get_result(KEY)
    assert caught.value.kind == "protocol"
    assert len(server.requests) == 1


def test_an_upload_that_breaks_is_sent_again(server, transport) -> None:
    server.odd += [lambda handler: handler.hang_up(), lambda handler: handler.answer(502)]
    transport.upload([Blob(digest=DIGEST, data=LARGE)])
    assert server.stored == {PATH: LARGE}
    assert [len(request.body) for request in server.requests] == [len(LARGE)] * 3


def test_a_server_that_fails_to_keep_things_is_still_read(server, transport) -> None:
    server.odd += [lambda handler: handler.answer(500)] * 4
    with pytest.raises(RemoteError) as caught:
        transport.put_result(KEY, b"result")
    assert caught.value.kind == "full"


@pytest.mark.parametrize("change", ["shorter", "longer", "other", "gone"])
def test_a_file_that_changed_is_never_whole_on_the_server(
    server, transport, tmp_path: Path, change: str
) -> None:
    path, good = tmp_path / "file", tmp_path / "good"
    bytes_now = {"shorter": LARGE[:-1], "longer": LARGE + b"x", "other": LARGE[:-1] + b"x"}
    if change != "gone":
        path.write_bytes(bytes_now[change])
    good.write_bytes(b"good")
    transport.upload([Blob(digest=DIGEST, path=str(path)), Blob(digest=Digest.of(b"good"), path=str(good))])
    assert list(server.stored) == [f"/cas/{Digest.of(b'good').hash}"]


def test_redirects_are_followed(server, transport, content) -> None:
    server.stored["/moved"] = LARGE
    for status in (301, 302, 307, 308):
        server.odd.append(lambda handler, status=status: handler.answer(status, Location="/moved"))
        assert transport.download([DIGEST], content) == set()
        os.unlink(content.path_of(DIGEST))


def test_uploads_are_redirected_with_their_body(server, transport) -> None:
    server.odd.append(lambda handler: handler.answer(307, Location="/there?signature=secret"))
    transport.upload([Blob(digest=DIGEST, data=LARGE)])
    assert server.stored == {"/there?signature=secret": LARGE}


def test_credentials_never_go_to_another_server(server, new_server, new_transport, tmp_path: Path) -> None:
    other = new_server()
    token = tmp_path / "token"
    token.write_text("secret")
    settings = {"token_file": str(token), "headers": (("X-Key", "secret"),)}
    transport = new_transport(server.url.replace("//", "//user:secret@"), **settings)
    server.odd.append(lambda handler: handler.answer(302, Location=f"{other.url}/elsewhere?key=presigned"))
    other.odd.append(lambda handler: handler.answer(302, Location=f"{server.url}/back"))
    server.stored["/back"] = b"result"
    assert transport.get_result(KEY) == b"result"
    assert [request.path for request in other.requests] == ["/elsewhere?key=presigned"]
    assert not any("secret" in value for value in other.requests[0].headers.values())
    assert [request.headers["x-key"] for request in server.requests] == ["secret", "secret"]
    server.odd.append(lambda handler: handler.answer(302, Location=f"{other.url}/x?key=presigned"))
    other.odd.append(lambda handler: handler.answer(403))
    with pytest.raises(RemoteError) as caught:
        transport.get_result(KEY)
    assert "presigned" not in str(caught.value)


def test_a_circle_of_redirects_ends(server, transport) -> None:
    server.odd += [lambda handler: handler.answer(302, Location="/again")] * 20
    with pytest.raises(RemoteError, match="cannot look for") as caught:
        transport.get_result(KEY)
    assert caught.value.kind == "protocol"
    assert len(server.requests) == 6


@pytest.mark.parametrize("location", ["ftp://example.com/", "file:///etc/passwd", "//[", "http://a b/"])
def test_redirects_lead_to_http_servers_only(server, transport, location: str) -> None:
    server.odd.append(lambda handler: handler.answer(302, Location=location))
    with pytest.raises(RemoteError) as caught:
        transport.get_result(KEY)
    assert caught.value.kind in ("protocol", "unavailable")


def test_close_ends_what_others_wait_for(server, transport, content) -> None:
    waiting = threading.Event()

    def stall(handler) -> None:
        waiting.set()
        handler.server.over.wait(60)

    server.odd.append(stall)
    caught: list[BaseException] = []

    def ask() -> None:
        try:
            transport.download([DIGEST], content)
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert waiting.wait(60)
    transport.close()
    thread.join(30)
    assert not thread.is_alive()
    assert isinstance(caught[0], RemoteError)
    with pytest.raises(RemoteError):
        transport.get_result(KEY)
    assert len(server.requests) == 1


def test_a_full_disk_here_is_no_failure_of_the_server(server, transport, small_disk: str) -> None:
    server.stored[PATH] = LARGE
    store = ContentStore(os.path.join(small_disk, "store"))
    with pytest.raises(LocalEnvironmentError, match="no space left") as caught:
        transport.download([DIGEST], store)
    assert not isinstance(caught.value, RemoteError)
    assert os.listdir(os.path.join(store.root, "tmp")) == []


def test_proxies_of_the_environment_are_used(server, new_transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url.replace("//", "//proxy-user:secret@"))
    transport = new_transport("http://cache.example.com/base")
    transport.put_result(KEY, b"result")
    assert server.requests[0].path == f"http://cache.example.com/base/ac/{KEY.hash}"
    assert server.requests[0].headers["proxy-authorization"] == "Basic cHJveHktdXNlcjpzZWNyZXQ="
    assert new_transport(server.url).get_result(KEY) is None
    assert server.requests[1].path == f"/ac/{KEY.hash}"
    monkeypatch.setenv("no_proxy", "example.com")
    with pytest.raises(RemoteError):
        new_transport("http://cache.example.com/base", retries=0, timeout_s=1).get_result(KEY)
    assert len(server.requests) == 2


def test_no_proxy_stands_before_this_machine_by_any_address(server, new_transport, monkeypatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    for url in ("http://127.0.0.2:9", "http://[0:0:0:0:0:0:0:1]:9"):
        with pytest.raises(RemoteError):
            new_transport(url, retries=0, headers=(("authorization", "secret"),)).get_result(KEY)
    assert server.requests == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there_is_told_of(new_transport, monkeypatch, scheme: str) -> None:
    with socket.socket() as taken:
        # Nobody listens there, and nobody else can begin to.
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{taken.getsockname()[1]}")
        transport = new_transport(f"{scheme}://cache.example.com", retries=0)
        with pytest.raises(RemoteError) as caught:
            transport.get_result(KEY)
    assert caught.value.kind == "unavailable"
    assert caught.value.reason.startswith("the proxy of the environment: Connection refused")
    assert "no_proxy" in caught.value.next_step


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "http://[", "http://host:port"])
def test_a_proxy_that_cannot_be_used_is_named(new_transport, monkeypatch, proxy: str) -> None:
    monkeypatch.setenv("all_proxy", proxy)
    with pytest.raises(RemoteError) as caught:
        new_transport("http://cache.example.com", retries=0).get_result(KEY)
    assert "proxy" in str(caught.value)


def test_a_part_beyond_all_numbers_is_a_failure_of_the_server(server, transport, content) -> None:
    server.odd.append(breaks_after(1_000_000))
    server.odd += [lambda handler: handler.answer(206, b"x", Content_Range=f"bytes {'9' * 5_000}-1/2")] * 4
    with pytest.raises(RemoteError, match="cannot download"):
        transport.download([DIGEST], content)
