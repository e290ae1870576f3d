"""A shared cache in nginx: it keeps and gives, it is killed, full, slow, damaged, and shut to strangers."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.remote.transport import Blob

KEY = Digest.of(b"an action")
LARGE = random.Random(0).randbytes(12_800_000)
"""12.8 MB, none of its parts like another."""

DIGEST = Digest.of(LARGE)
SMALL = Digest.of(b"small")


def share(transport) -> None:
    transport.upload([Blob(digest=DIGEST, data=LARGE), Blob(digest=SMALL, data=b"small")])
    transport.put_result(KEY, b"result")


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def holds_something(folder: Path) -> bool:
    """Whether there are bytes in a file of the folder, each of which may go at any time."""
    for path in folder.glob("**/*"):
        with suppress(FileNotFoundError):
            if path.is_file() and path.stat().st_size > 0:
                return True
    return False


def test_what_is_put_comes_back(start_nginx, new_transport, content) -> None:
    server = start_nginx()
    transport = new_transport(server.url)
    assert transport.get_result(KEY) is None
    assert transport.missing([DIGEST, SMALL]) == {DIGEST, SMALL}
    share(transport)
    share(transport)
    other = new_transport(server.url)
    assert other.missing([DIGEST, SMALL]) == set()
    assert other.get_result(KEY) == b"result"
    assert other.download([DIGEST, SMALL, Digest.of(b"absent")], content) == {Digest.of(b"absent")}
    assert content.get_bytes(DIGEST) == LARGE
    assert (server.storage / "cache/ac" / KEY.hash).read_bytes() == b"result"
    assert sorted(os.listdir(server.storage / "cache/cas")) == sorted([DIGEST.hash, SMALL.hash])


def test_encrypted_with_an_authority_of_ones_own(start_nginx, new_transport, content, certificates) -> None:
    server = start_nginx(tls=True, server=certificates.served)
    transport = new_transport(server.url, ca_file=certificates.ca)
    share(transport)
    assert transport.get_result(KEY) == b"result"
    assert transport.download([DIGEST, SMALL], content) == set()
    assert content.get_bytes(DIGEST) == LARGE
    # The server's own certificate will do as well.
    assert new_transport(server.url, ca_file=certificates.server).get_result(KEY) == b"result"


def test_an_authority_that_is_not_known_is_not_trusted(
    start_nginx, new_transport, certificates, new_certificates
) -> None:
    server = start_nginx(tls=True, server=certificates.served)
    for ca_file in ("", new_certificates("IP:127.0.0.1").ca):
        with pytest.raises(RemoteError) as caught:
            new_transport(server.url, ca_file=ca_file).get_result(KEY)
        assert caught.value.kind == "denied"
        assert "certificate is not trusted" in caught.value.reason
        assert "remote-ca" in caught.value.next_step
    # Nothing was tried again.
    assert server.asked() == []


def test_a_certificate_for_another_name_is_not_trusted(start_nginx, new_transport, new_certificates) -> None:
    certificates = new_certificates("DNS:elsewhere.example.com")
    server = start_nginx(tls=True, server=certificates.served)
    with pytest.raises(RemoteError) as caught:
        new_transport(server.url, ca_file=certificates.ca).get_result(KEY)
    assert caught.value.kind == "denied"
    assert "127.0.0.1" in caught.value.reason


def test_clients_show_certificates(start_nginx, new_transport, certificates, tmp_path: Path) -> None:
    wanted = f"ssl_client_certificate {certificates.ca}; ssl_verify_client on;"
    server = start_nginx(tls=True, server=certificates.served + wanted)
    with pytest.raises(RemoteError) as caught:
        new_transport(server.url, ca_file=certificates.ca).get_result(KEY)
    assert caught.value.kind == "denied"
    assert "certificate" in caught.value.reason
    known = {"ca_file": certificates.ca, "client_certificate": certificates.client}
    share(new_transport(server.url, client_key=certificates.client_key, **known))
    both = tmp_path / "both.pem"
    both.write_text(Path(certificates.client).read_text() + Path(certificates.client_key).read_text())
    assert new_transport(server.url, ca_file=certificates.ca, client_certificate=str(both)).get_result(KEY)


@pytest.mark.parametrize("name", ["ca_file", "client_certificate", "client_key"])
@pytest.mark.parametrize("content_of_it", [None, b"no certificate"])
def test_files_that_are_no_certificates_are_named(
    new_transport, certificates, tmp_path: Path, name: str, content_of_it: bytes | None
) -> None:
    path = tmp_path / "file.pem"
    if content_of_it is not None:
        path.write_bytes(content_of_it)
    more = {"client_certificate": certificates.client} if name == "client_key" else {}
    with pytest.raises(RemoteError, match="certificate or key") as caught:
        new_transport("https://127.0.0.1", **more, **{name: str(path)})
    assert caught.value.kind == "denied"
    assert "file.pem" in str(caught.value) or name == "client_key"


def test_the_wrong_scheme_is_told_of(start_nginx, new_transport, certificates) -> None:
    plain = start_nginx()
    encrypted = start_nginx(tls=True, server=certificates.served)
    for url in (plain.url.replace("http:", "https:"), encrypted.url.replace("https:", "http:")):
        with pytest.raises(RemoteError) as caught:
            new_transport(url).get_result(KEY)
        assert caught.value.kind == "protocol"


def test_user_and_password(start_nginx, new_transport, content, tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_text("builder:{PLAIN}pass word\n")
    users.chmod(0o644)
    server = start_nginx(location=f'auth_basic "cache"; auth_basic_user_file {users};')
    transport = new_transport(server.url.replace("//", "//builder:pass%20word@"))
    share(transport)
    assert transport.download([DIGEST], content) == set()
    for url in (server.url, server.url.replace("//", "//builder:wrong@")):
        stranger = new_transport(url)
        for ask, what in ((stranger.get_result, KEY), (share, stranger)):
            with pytest.raises(RemoteError) as caught:
                ask(what)
            assert caught.value.kind == "denied"
            assert "401" in caught.value.reason
            assert "wrong" not in str(caught.value)


def test_a_bearer_token(start_nginx, new_transport, tmp_path: Path) -> None:
    server = start_nginx(location='if ($http_authorization != "Bearer s3cret") { return 401; }')
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    transport = new_transport(server.url, token_file=str(token))
    share(transport)
    assert transport.get_result(KEY) == b"result"
    token.write_text("stale")
    with pytest.raises(RemoteError) as caught:
        new_transport(server.url, token_file=str(token)).get_result(KEY)
    assert caught.value.kind == "denied"


def test_everybody_reads_and_few_write(start_nginx, new_transport, content) -> None:
    server = start_nginx(location='limit_except GET HEAD { auth_basic "cache"; auth_basic_user_file users; }')
    (server.folder / "users").write_text("ci:{PLAIN}secret\n")
    share(new_transport(server.url.replace("//", "//ci:secret@")))
    reader = new_transport(server.url)
    assert reader.get_result(KEY) == b"result"
    assert reader.download([DIGEST], content) == set()
    with pytest.raises(RemoteError) as caught:
        share(reader)
    assert caught.value.kind == "denied"


def test_killed_in_the_middle_of_a_download(start_nginx, new_transport, content) -> None:
    server = start_nginx(location="limit_rate 4m; limit_rate_after 4m;")
    # However long the server is away.
    transport = new_transport(server.url, retries=50)
    share(transport)
    lost: list[object] = []
    thread = threading.Thread(target=lambda: lost.append(transport.download([DIGEST], content)))
    thread.start()
    until(lambda: holds_something(Path(content.root, "tmp")))
    server.kill()
    time.sleep(0.2)
    server.start()
    thread.join(120)
    assert lost == [set()]
    assert content.get_bytes(DIGEST) == LARGE
    # It writes that down when the client has everything already.
    until(lambda: any(line.startswith("GET 206 bytes=") for line in server.asked()))


def test_killed_in_the_middle_of_an_upload(start_nginx, new_transport, tmp_path: Path) -> None:
    server = start_nginx()
    transport = new_transport(server.url, retries=50)
    path = tmp_path / "huge"
    path.write_bytes(LARGE * 16)
    digest = Digest.of(LARGE * 16)
    thread = threading.Thread(target=lambda: transport.upload([Blob(digest=digest, path=str(path))]))
    thread.start()
    incoming, kept = server.storage / ".incoming", server.storage / "cache/cas" / digest.hash
    until(lambda: kept.exists() or holds_something(incoming))
    server.kill()
    assert not kept.exists() or kept.stat().st_size == digest.size
    server.start()
    thread.join(120)
    assert transport.missing([digest]) == set()
    assert kept.read_bytes() == LARGE * 16


def test_nobody_answers_any_more(start_nginx, new_transport, content) -> None:
    server = start_nginx()
    transport = new_transport(server.url, retries=1)
    share(transport)
    server.kill()
    for ask in (lambda: transport.get_result(KEY), lambda: transport.download([DIGEST, SMALL], content)):
        with pytest.raises(RemoteError) as caught:
            ask()
        assert caught.value.kind == "unavailable"


def test_a_full_disk(start_nginx, new_transport, content, small_disk: Path) -> None:
    server = start_nginx(storage=small_disk)
    transport = new_transport(server.url, retries=1)
    transport.upload([Blob(digest=SMALL, data=b"small")])
    with pytest.raises(RemoteError, match="cannot upload 12,800,000 bytes") as caught:
        transport.upload([Blob(digest=DIGEST, data=LARGE)])
    assert caught.value.kind == "full"
    assert transport.missing([DIGEST, SMALL]) == {DIGEST}
    assert transport.download([SMALL], content) == set()


def test_more_than_the_server_takes(start_nginx, new_transport) -> None:
    transport = new_transport(start_nginx(most="1m").url)
    with pytest.raises(RemoteError) as caught:
        transport.upload([Blob(digest=DIGEST, data=LARGE)])
    assert caught.value.kind == "full"
    assert "413" in caught.value.reason


def test_a_server_that_only_gives(start_nginx, new_transport) -> None:
    transport = new_transport(start_nginx(location="dav_methods off;").url.replace("/cache", "/other"))
    with pytest.raises(RemoteError, match="cannot upload the result") as caught:
        transport.put_result(KEY, b"result")
    assert caught.value.kind == "protocol"
    assert "--remote-upload off" in caught.value.next_step


def test_what_is_damaged_on_the_server_is_not_there(start_nginx, new_transport, content) -> None:
    server = start_nginx()
    transport = new_transport(server.url)
    share(transport)
    file = server.storage / "cache/cas" / DIGEST.hash
    file.write_bytes(LARGE[:-1] + b"x")
    assert transport.download([DIGEST, SMALL], content) == {DIGEST}
    file.write_bytes(LARGE[:-1])
    assert transport.download([DIGEST, SMALL], content) == {DIGEST}
    assert transport.missing([DIGEST, SMALL]) == {DIGEST}
    share(transport)
    assert transport.download([DIGEST], content) == set()


def test_slow_is_not_stalled(start_nginx, new_transport, content) -> None:
    server = start_nginx(location="limit_rate 100k;")
    data = LARGE[:250_000]
    digest = Digest.of(data)
    new_transport(server.url).upload([Blob(digest=digest, data=data)])
    # Where the machine itself stands still for a moment, that one download is given up.
    for _ in range(20):
        with suppress(RemoteError):
            assert new_transport(server.url, timeout_s=1.0, retries=0).download([digest], content) == set()
            break
    assert content.get_bytes(digest) == data


def test_many_at_once(start_nginx, new_transport, content) -> None:
    server = start_nginx()
    blobs = [LARGE[start : start + 50_000] for start in range(0, 5_000_000, 50_000)]
    transport = new_transport(server.url)
    halves = [blobs[:60], blobs[40:]]
    threads = [
        threading.Thread(
            target=transport.upload, args=([Blob(digest=Digest.of(data), data=data) for data in half],)
        )
        for half in halves
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert transport.missing(map(Digest.of, blobs)) == set()
    assert transport.download(set(map(Digest.of, blobs)), content) == set()


def test_through_a_proxy_and_still_encrypted(
    start_nginx, new_transport, content, new_certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = new_certificates("DNS:cache.example.com")
    server = start_nginx(tls=True, server=certificates.served)
    asked: list[bytes] = []

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def tunnel(client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", server.port)) as onward:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            asked.append(head.partition(b" HTTP/")[0])
            client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=pump, args=(onward, client))
            back.start()
            pump(client, onward)
            back.join()

    def serve(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=tunnel, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listening.getsockname()[1]}")
        transport = new_transport("https://cache.example.com/cache", ca_file=certificates.ca)
        share(transport)
        assert transport.download([DIGEST, SMALL], content) == set()
        transport.close()
        listening.shutdown(socket.SHUT_RDWR)
    assert set(asked) == {b"CONNECT cache.example.com:443"}
    assert content.get_bytes(DIGEST) == LARGE
