"""A cache over TLS: an authority of one's own, certificates of clients, and what is said of strangers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.remote.grpc.library import grpc

pytestmark = pytest.mark.skipif(
    not shutil.which("openssl"), reason="there is no openssl to make certificates"
)

ACTION = Digest.of(b"an action")


@pytest.fixture
def served(cache: Any, serve: Any, certificates: Any) -> Callable[..., str]:
    """The URL of a cache that an authority "own" vouches for, which may ask clients for theirs."""
    authority = certificates.authority("own")
    certificate, key = certificates.signed("server", "own")

    def start(*, asks: bool = False) -> str:
        pair = [(key.read_bytes(), certificate.read_bytes())]
        clients = authority.read_bytes() if asks else None
        credentials = grpc.ssl_server_credentials(pair, clients, require_client_auth=asks)
        return str(serve(cache, credentials))

    return start


def test_an_authority_of_ones_own_is_trusted(served: Any, connect: Any, certificates: Any) -> None:
    client = connect(served(), ca_file=str(certificates.folder / "own.pem"))

    assert client.missing([ACTION]) == {ACTION}


def test_a_server_that_nobody_vouches_for_is_refused_at_once(
    cache: Any, served: Any, connect: Any, certificates: Any
) -> None:
    other = certificates.authority("other")
    url = served()

    for settings in ({}, {"ca_file": str(other)}):
        with pytest.raises(RemoteError) as caught:
            connect(url, retries=50, **settings).missing([ACTION])
        assert caught.value.kind == "denied"
        assert "remote-ca" in caught.value.next_step
    assert cache.calls == []


def test_certificates_that_do_not_fit_are_told_of_at_once(
    cache: Any, served: Any, connect: Any, certificates: Any
) -> None:
    url = served()
    certificate, _ = certificates.signed("client", "own")
    of_another = {
        "client_certificate": str(certificate),
        "client_key": str(certificates.folder / "server.key"),
    }

    for place, settings in ((url.replace("127.0.0.1", "localhost"), {}), (url, of_another)):
        with pytest.raises(RemoteError) as caught:
            connect(place, retries=50, ca_file=str(certificates.folder / "own.pem"), **settings).missing(
                [ACTION]
            )
        assert caught.value.kind == "denied"
        assert "remote-ca" in caught.value.next_step
    assert cache.calls == []


def test_a_server_may_ask_for_the_clients_certificate(served: Any, connect: Any, certificates: Any) -> None:
    certificate, key = certificates.signed("client", "own")
    both = certificates.folder / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    settings = {"ca_file": str(certificates.folder / "own.pem")}
    url = served(asks=True)

    in_two = connect(url, client_certificate=str(certificate), client_key=str(key), **settings)
    in_one = connect(url, client_certificate=str(both), **settings)

    assert in_two.missing([ACTION]) == in_one.missing([ACTION]) == {ACTION}


def test_a_client_without_the_certificate_is_told(
    cache: Any, served: Any, connect: Any, certificates: Any
) -> None:
    certificates.authority("other")
    certificate, key = certificates.signed("stranger", "other")
    settings = {"ca_file": str(certificates.folder / "own.pem"), "retries": 1}
    url = served(asks=True)

    for given in ({}, {"client_certificate": str(certificate), "client_key": str(key)}):
        with pytest.raises(RemoteError):
            connect(url, **settings, **given).missing([ACTION])
    assert cache.calls == []


@pytest.mark.parametrize("setting", ["ca_file", "client_certificate"])
def test_a_file_that_cannot_be_read_is_named(connect: Any, tmp_path: Path, setting: str) -> None:
    with pytest.raises(RemoteError) as caught:
        connect("grpcs://127.0.0.1:1", **{setting: str(tmp_path / "absent.pem")})

    assert caught.value.kind == "denied"
    assert "absent.pem" in caught.value.reason


def test_the_wrong_scheme_is_told_of(
    cache: Any, serve: Any, served: Any, connect: Any, certificates: Any
) -> None:
    settings = {"ca_file": str(certificates.folder / "own.pem"), "retries": 1}
    secure, plain = served(), serve(cache)

    for url in (secure.replace("grpcs:", "grpc:"), plain.replace("grpc:", "grpcs:")):
        with pytest.raises(RemoteError) as caught:
            connect(url, **settings).missing([ACTION])
        assert caught.value.kind == "unavailable"
        assert "scheme" in caught.value.next_step
