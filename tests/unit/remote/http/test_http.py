"""Results and contents go to an HTTP cache and come back; who asks, and what a refusal means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.remote.transport import Blob

KEY = Digest.of(b"an action")
DATA = b"some data " * 100
DIGEST = Digest.of(DATA)
EMPTY = Digest.of(b"")


def test_results_come_back(server, transport) -> None:
    assert transport.get_result(KEY) is None
    transport.put_result(KEY, b"result \x00\xff")
    assert transport.get_result(KEY) == b"result \x00\xff"
    path = f"/ac/{KEY.hash}"
    assert server.names() == [f"GET {path}", f"PUT {path}", f"GET {path}"]
    assert server.requests[1].headers["content-length"] == "9"
    assert server.requests[1].headers["user-agent"].startswith("hermpkg/")
    assert "authorization" not in server.requests[1].headers


def test_an_empty_result_is_a_result(transport) -> None:
    transport.put_result(KEY, b"")
    assert transport.get_result(KEY) == b""


def test_contents_come_back(server, transport, content, tmp_path: Path) -> None:
    other = b"in a file"
    (tmp_path / "file").write_bytes(other)
    digests = [DIGEST, Digest.of(other), EMPTY, Digest.of(b"never uploaded")]
    assert transport.missing(digests) == {DIGEST, Digest.of(other), Digest.of(b"never uploaded")}
    blobs = [
        Blob(digest=DIGEST, data=DATA),
        Blob(digest=Digest.of(other), path=str(tmp_path / "file")),
        Blob(digest=EMPTY, data=b""),
    ]
    transport.upload(blobs)
    assert transport.missing(digests) == {Digest.of(b"never uploaded")}
    assert transport.download(digests, content) == {Digest.of(b"never uploaded")}
    assert content.get_bytes(DIGEST) == DATA
    assert content.get_bytes(Digest.of(other)) == other
    assert content.get_bytes(EMPTY) == b""
    assert not any(EMPTY.hash in request.path for request in server.requests)
    assert os.listdir(os.path.join(content.root, "tmp")) == []


def test_many_blobs_travel_side_by_side(server, transport, content) -> None:
    blobs = {Digest.of(b"%d" % i): b"%d" % i for i in range(100)}
    transport.upload([Blob(digest=digest, data=data) for digest, data in blobs.items()])
    server.stored.pop(f"/cas/{Digest.of(b'7').hash}")
    assert transport.missing(blobs) == {Digest.of(b"7")}
    assert transport.download(blobs, content) == {Digest.of(b"7")}
    assert all(content.get_bytes(digest) == data for digest, data in blobs.items() if data != b"7")


def test_nothing_is_asked_for_nothing(server, transport, content) -> None:
    assert transport.missing([]) == set()
    assert transport.download([], content) == set()
    transport.upload([])
    assert server.requests == []


def test_a_url_may_have_a_path_and_a_slash_at_its_end(server, new_transport) -> None:
    transport = new_transport(f"{server.url}/a%20b/c/")
    transport.put_result(KEY, b"result")
    assert server.names() == [f"PUT /a%20b/c/ac/{KEY.hash}"]


@pytest.mark.parametrize("status", [204, 404, 410])
def test_what_is_not_there_is_absent(server, transport, content, status: int) -> None:
    server.odd += [lambda handler: handler.answer(status)] * 3
    assert transport.get_result(KEY) is None
    assert transport.missing([DIGEST]) == {DIGEST}
    assert transport.download([DIGEST], content) == {DIGEST}


def test_a_blob_of_another_length_is_missing(server, transport) -> None:
    server.stored[f"/cas/{DIGEST.hash}"] = DATA[:-1]
    assert transport.missing([DIGEST]) == {DIGEST}


@pytest.mark.parametrize("status", [405, 501])
def test_a_server_without_head_is_told_everything(server, transport, status: int) -> None:
    server.odd += [lambda handler: handler.answer(status)]
    assert transport.missing([DIGEST]) == {DIGEST}


def test_user_and_password_are_sent_and_never_shown(server, new_transport) -> None:
    url = server.url.replace("//", "//some%20user:pass%40word@")
    transport = new_transport(url)
    transport.put_result(KEY, b"result")
    assert server.requests[0].headers["authorization"] == "Basic c29tZSB1c2VyOnBhc3NAd29yZA=="
    server.odd.append(lambda handler: handler.answer(403))
    with pytest.raises(RemoteError) as caught:
        transport.get_result(KEY)
    assert caught.value.kind == "denied"
    assert caught.value.server == server.url
    assert "user" not in str(caught.value)
    assert "word" not in str(caught.value)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_has_the_token_read_again_once(server, new_transport, tmp_path: Path, status: int) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    transport = new_transport(server.url, token_file=str(token))

    def refuse(handler) -> None:
        token.write_text("new")
        handler.answer(status, WWW_Authenticate="Bearer")

    server.odd.append(refuse)
    transport.put_result(KEY, b"result")
    assert transport.get_result(KEY) == b"result"
    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == ["Bearer old", "Bearer new", "Bearer new"]
    server.odd += [refuse, refuse]
    with pytest.raises(RemoteError, match="cannot look for") as caught:
        transport.get_result(KEY)
    assert caught.value.kind == "denied"
    assert "remote-token-file" in caught.value.next_step
    assert len(server.requests) == 5


def test_who_has_no_other_credentials_is_refused_at_once(server, new_transport) -> None:
    transport = new_transport(server.url, headers=(("X-Key", "secret"),))
    server.odd.append(lambda handler: handler.answer(401))
    with pytest.raises(RemoteError) as caught:
        transport.get_result(KEY)
    assert caught.value.kind == "denied"
    assert [request.headers["x-key"] for request in server.requests] == ["secret"]
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (400, "protocol", "400 Bad Request"),
        (404, "protocol", "PUT requests"),
        (405, "protocol", "PUT requests"),
        (409, "protocol", "PUT requests"),
        (413, "full", "--remote-upload off"),
        (501, "protocol", "501 Not Implemented"),
        (507, "full", "507 Insufficient Storage"),
        (599, "unavailable", "status 599"),
    ],
)
def test_an_upload_that_is_not_taken_says_why(server, transport, status: int, kind: str, said: str) -> None:
    server.odd.append(lambda handler: handler.answer(status))
    with pytest.raises(RemoteError, match="cannot upload the result") as caught:
        transport.put_result(KEY, b"result")
    assert caught.value.kind == kind
    assert said in str(caught.value)
    assert f"PUT {server.url}/ac/{KEY.hash}" in str(caught.value)
    assert len(server.requests) == 1


def test_the_title_of_an_error_page_is_shown(server, transport) -> None:
    page = b"<html><head><title>400 No required SSL\n certificate was sent</title></head>"
    server.odd.append(lambda handler: handler.answer(400, page))
    with pytest.raises(RemoteError) as caught:
        transport.get_result(KEY)
    assert caught.value.kind == "denied"
    assert "400 No required SSL certificate was sent" in caught.value.reason


def test_an_error_page_cannot_write_to_the_terminal(server, transport) -> None:
    page = b"<title>418 &#27;[2J\x1b[2J</title>"
    server.odd.append(lambda handler: handler.answer(418, page))
    with pytest.raises(RemoteError) as caught:
        transport.get_result(KEY)
    assert "\x1b" not in str(caught.value)
    assert caught.value.kind == "protocol"


def test_connections_are_used_again(server, transport, content) -> None:
    peers: set[int] = set()

    def note(handler) -> None:
        peers.add(handler.client_address[1])
        handler.well()

    server.odd += [note] * 7
    transport.get_result(KEY)
    transport.put_result(KEY, b"result")
    transport.get_result(KEY)
    transport.missing([DIGEST])
    transport.upload([Blob(digest=DIGEST, data=DATA)])
    transport.download([DIGEST], content)
    transport.download([Digest.of(b"not there")], content)
    assert not server.odd
    assert len(peers) == 1


def test_ipv6_literals_are_addresses(new_transport) -> None:
    # Nothing listens there: it is the system that says so, not the URL's parser.
    with pytest.raises(RemoteError) as caught:
        new_transport("http://[::1]:1/cache", retries=0).get_result(KEY)
    assert caught.value.kind == "unavailable"
    assert "http://[::1]:1/cache" in str(caught.value)


HUGE = "9" * 5_000


def test_a_length_beyond_all_numbers_is_another_length(server, transport, content) -> None:
    server.odd.append(lambda handler: handler.answer(200, b"x", Content_Length=HUGE))
    assert transport.download([DIGEST], content) == {DIGEST}


@pytest.mark.parametrize("port", ["1.else", "99999", "-1", HUGE])
def test_a_redirect_to_no_port_is_told(server, transport, port: str) -> None:
    server.odd.append(lambda handler: handler.answer(302, Location=f"http://127.0.0.1:{port}/x"))
    with pytest.raises(RemoteError) as caught:
        transport.get_result(KEY)
    assert "redirects to an address that cannot be used" in caught.value.reason


@pytest.mark.parametrize("wait", [HUGE, "Fri, 31 Dec 999999 23:59:59 GMT", "nan", "-1"])
def test_a_time_to_wait_that_is_none_is_passed_over(server, transport, wait: str) -> None:
    server.odd.append(lambda handler: handler.answer(503, Retry_After=wait))
    assert transport.get_result(KEY) is None
    assert len(server.requests) == 2
