"""Who asks a registry: docker's configuration, its helpers, tokens; and to whom that is never told."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.errors import CommandLineError
from hermpkg_build.registry.authorization import _challenges
from hermpkg_build.registry.docker_config import find_login
from hermpkg_build.registry.pull import pull
from hermpkg_build.registry.push import push
from hermpkg_build.registry.reference import Reference
from hermpkg_build.registry.server import Connection, open_repository
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.store.cache import Cache

AUTH = base64.b64encode(b"me:s3cret").decode()


def write_config(folder: Path, value: object) -> None:
    (folder / "config.json").write_text(json.dumps(value))


def helper(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_a_login_of_docker_gets_a_token(
    registry: Any,
    connection: Connection,
    cache: Cache,
    write_model: Callable[..., str],
    nobody_logged_in: Path,
    tmp_path: Path,
) -> None:
    registry.user = "me:s3cret"
    write_config(nobody_logged_in, {"auths": {registry.host: {"auth": AUTH}}})
    push(write_model(), registry.reference(), connection)
    pull(registry.reference(), str(tmp_path / "out.pt"), connection, cache)
    tokens = [path for _, path, _ in registry.asked if path.startswith("/token")]
    assert [
        f"repository%3Ateam%2Fnet%3A{allowed}" in path
        for path, allowed in zip(tokens, ("pull%2Cpush", "pull"), strict=True)
    ] == [True, True]


def test_an_identity_token_is_exchanged(
    registry: Any, connection: Connection, write_model: Callable[..., str], nobody_logged_in: Path
) -> None:
    registry.user = "me:other"
    write_config(nobody_logged_in, {"auths": {registry.host: {"identitytoken": "identity"}}})
    push(write_model(), registry.reference(), connection)


@pytest.mark.parametrize("config", [None, {}, {"auths": {}}, {"auths": {"elsewhere": {"auth": AUTH}}}])
def test_nobody_is_told_to_log_in(
    registry: Any,
    connection: Connection,
    write_model: Callable[..., str],
    nobody_logged_in: Path,
    config: object,
) -> None:
    registry.user = "me:s3cret"
    if config is not None:
        write_config(nobody_logged_in, config)
    with pytest.raises(RemoteError) as caught:
        push(write_model(), registry.reference(), connection)
    assert caught.value.kind == "denied"
    assert f"docker login {registry.host}" in caught.value.next_step


def test_basic_authentication(
    registry: Any, connection: Connection, write_model: Callable[..., str], nobody_logged_in: Path
) -> None:
    def ask(handler: Any) -> bool:
        if handler.headers.get("Authorization") == f"Basic {AUTH}":
            return False
        handler.body()
        handler.answer(401, WWW_Authenticate='Basic realm="here"')
        return True

    registry.faults.append(ask)
    write_config(nobody_logged_in, {"auths": {f"https://{registry.host}/v2/": {"auth": AUTH}}})
    push(write_model(), registry.reference(), connection)


def test_no_other_server_is_told(
    registry: Any,
    other_registry: Any,
    connection: Connection,
    cache: Cache,
    write_model: Callable[..., str],
    nobody_logged_in: Path,
    tmp_path: Path,
) -> None:
    registry.user = "me:s3cret"
    write_config(nobody_logged_in, {"auths": {registry.host: {"auth": AUTH}}})
    push(write_model(), registry.reference(), connection)
    other_registry.blobs = registry.blobs

    def send_away(handler: Any) -> bool:
        if "/blobs/" in handler.path and handler.headers.get("Authorization"):
            handler.answer(307, Location=f"http://{other_registry.host}{handler.path}")
            return True
        return False

    registry.faults.append(send_away)
    pull(registry.reference(), str(tmp_path / "out.pt"), connection, cache)
    assert other_registry.asked
    assert all("Authorization" not in headers for _, _, headers in other_registry.asked)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_an_identity_token_goes_nowhere_else(
    registry: Any,
    other_registry: Any,
    connection: Connection,
    write_model: Callable[..., str],
    nobody_logged_in: Path,
    status: int,
) -> None:
    registry.user = "me:other"
    write_config(nobody_logged_in, {"auths": {registry.host: {"identitytoken": "identity"}}})
    seen = []

    def send_away(handler: Any) -> bool:
        if handler.path.startswith("/token"):
            handler.body()
            handler.answer(status, Location=f"http://{other_registry.host}{handler.path}")
            return True
        return False

    def look(handler: Any) -> bool:
        seen.append(handler.body())
        return False

    registry.faults.append(send_away)
    other_registry.faults.append(look)
    with pytest.raises(RemoteError, match="redirects to another server"):
        push(write_model(), registry.reference(), connection)
    assert seen == []


def test_an_upload_elsewhere_is_not_told_either(
    registry: Any,
    other_registry: Any,
    connection: Connection,
    write_model: Callable[..., str],
    nobody_logged_in: Path,
) -> None:
    registry.user = "me:s3cret"
    write_config(nobody_logged_in, {"auths": {registry.host: {"auth": AUTH}}})
    registry.blobs, registry.uploads = other_registry.blobs, other_registry.uploads

    def begin(handler: Any) -> bool:
        if handler.command == "POST" and handler.path.endswith("/uploads/"):
            number = str(next(registry.numbers))
            registry.uploads[number] = bytearray()
            place = f"http://{other_registry.host}/v2/team/net/blobs/uploads/{number}?state=a"
            handler.answer(202, Location=place)
            return True
        return False

    registry.faults.append(begin)
    push(write_model(), registry.reference(), connection)
    assert other_registry.moved
    assert all("Authorization" not in headers for _, _, headers in other_registry.asked)


class TestHelpers:
    def test_the_helper_of_a_host_is_asked(
        self, nobody_logged_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script = 'read host; printf \'{"ServerURL":"%s","Username":"%s-%s","Secret":"x"}\' $host $1 $host'
        helper(tmp_path / "bin", monkeypatch, "one", script)
        write_config(nobody_logged_in, {"credHelpers": {"r.example.com": "one"}, "credsStore": "other"})
        login = find_login("r.example.com", "a/b", os.environ)
        assert login is not None
        assert (login.user, login.password) == ("get-r.example.com", "x")
        assert "x'" not in repr(login)

    def test_a_store_without_an_entry_is_no_error(
        self, nobody_logged_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        helper(tmp_path / "bin", monkeypatch, "none", "echo credentials not found in native keychain; exit 1")
        write_config(nobody_logged_in, {"credsStore": "none", "auths": {"r.example.com": {"auth": AUTH}}})
        login = find_login("r.example.com", "a", os.environ)
        assert login is not None
        assert login.user == "me"

    def test_a_token_of_a_helper(
        self, nobody_logged_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        helper(
            tmp_path / "bin", monkeypatch, "t", 'echo "{\\"Username\\":\\"<token>\\",\\"Secret\\":\\"i\\"}"'
        )
        write_config(nobody_logged_in, {"credsStore": "t"})
        login = find_login("r.example.com", "a", os.environ)
        assert login is not None
        assert (login.identity_token, login.user) == ("i", "")

    @pytest.mark.parametrize("script", ["exit 3", "echo no", "echo []", 'echo "{}"', "yes | head -c 2000000"])
    def test_a_helper_that_fails_is_told(
        self, nobody_logged_in: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
    ) -> None:
        helper(tmp_path / "bin", monkeypatch, "bad", script)
        write_config(nobody_logged_in, {"credsStore": "bad"})
        with pytest.raises(RemoteError, match="docker-credential-bad gave no credentials"):
            find_login("r.example.com", "a", os.environ)

    @pytest.mark.parametrize("name", ["../../bin/sh", "not-installed", "a\0b"])
    def test_a_helper_that_cannot_be_run_is_told(self, nobody_logged_in: Path, name: str) -> None:
        write_config(nobody_logged_in, {"credsStore": name})
        with pytest.raises(RemoteError, match="gave no credentials"):
            find_login("r.example.com", "a", os.environ)


@pytest.mark.parametrize(
    "text", ["{", "[]", "[" * 100_000, '{"auths": 1}', '{"auths": {"r": {"auth": "?"}}}']
)
def test_a_configuration_that_cannot_be_read_is_told(nobody_logged_in: Path, text: str) -> None:
    (nobody_logged_in / "config.json").write_text(text)
    with pytest.raises(RemoteError, match="cannot read who logs in"):
        find_login("r", "a", os.environ)


def test_the_narrowest_entry_counts(nobody_logged_in: Path) -> None:
    def entry(user: str) -> dict[str, str]:
        return {"auth": base64.b64encode(f"{user}:x".encode()).decode()}

    auths = {"r.io": entry("all"), "r.io/team": entry("team"), "r.io/team/net": entry("net")}
    write_config(nobody_logged_in, {"auths": auths})
    found = [find_login("r.io", name, os.environ) for name in ("team/net", "team/other", "x")]
    assert [login and login.user for login in found] == ["net", "team", "all"]


@pytest.mark.parametrize(
    ("host", "insecure", "url"),
    [
        ("registry.invalid", False, "https://registry.invalid"),
        ("localhost.example.com:5000", False, "https://localhost.example.com:5000"),
        ("docker.io", False, "https://registry-1.docker.io"),
        ("127.0.0.1:9", False, "http://127.0.0.1:9"),
        ("[::1]:9", False, "http://[::1]:9"),
    ],
)
def test_plain_http_is_for_this_machine(host: str, insecure: bool, url: str) -> None:
    reference = Reference.parse(f"oci://{host}/a")
    server = open_repository(reference, Connection(insecure=insecure, retries=0), [])
    assert server.name == url


@given(st.text("ab.:/@[]-_ 0", max_size=40))
def test_references_parse_and_print(text: str) -> None:
    try:
        reference = Reference.parse(f"oci://{text}")
    except CommandLineError:
        return
    assert Reference.parse(str(reference)) == reference
    assert not set("?#%\\ ").intersection(str(reference))


@given(st.text('Bearbsic realm="x,=\t', max_size=60))
def test_challenges_of_any_text(text: str) -> None:
    for name, parameters in _challenges(text).items():
        assert name.islower()
        assert all(isinstance(value, str) for value in parameters.values())
