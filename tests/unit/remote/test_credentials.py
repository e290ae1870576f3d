"""Headers come from settings, files, helpers and URLs, and secrets stay out of what people see."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hermpkg_build.remote.addresses import parse_address, without_secrets
from hermpkg_build.remote.credential_helper import helper_for
from hermpkg_build.remote.credentials import Credentials
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.remote.settings import RemoteSettings

URL = "https://cache.example.com/hermpkg"


@pytest.fixture
def helper(tmp_path: Path) -> Callable[[str], str]:
    """Makes a program of the lines of a Python function's body; it may use `uri` and counts its runs."""

    def make(body: str) -> str:
        path, script = tmp_path / "helper", tmp_path / "helper.py"
        lines = [
            "import json, os, sys, time",
            "assert sys.argv[1:] == ['get'], sys.argv",
            "uri = json.load(sys.stdin)['uri']",
            f"open({str(tmp_path / 'runs')!r}, 'a').write(uri + '\\n')",
            f"run = len(open({str(tmp_path / 'runs')!r}).readlines())",
            body,
        ]
        script.write_text("\n".join(lines))
        # The path of an interpreter that a script names in its first line can have no blanks.
        path.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{script}' \"$@\"\n")
        path.chmod(0o755)
        return str(path)

    return make


def runs(tmp_path: Path) -> list[str]:
    return (tmp_path / "runs").read_text().splitlines()


def asking(program: str, **more: object) -> RemoteSettings:
    return RemoteSettings(credential_helpers=(("", program),), **more)  # type: ignore[arg-type]


GIVES_RUN = "print(json.dumps({'headers': {'Authorization': [f'Bearer {run}']}}))"


def test_without_anything_there_are_no_headers() -> None:
    credentials = Credentials(RemoteSettings(), URL)
    assert credentials.headers() == {}
    assert not credentials.refused()


def test_user_and_password_of_the_url_are_sent_as_basic() -> None:
    credentials = Credentials(RemoteSettings(), "http://us%40er:p%3Ass@[::1]:8080/x")
    assert credentials.headers() == {"Authorization": "Basic dXNAZXI6cDpzcw=="}


def test_what_is_said_closer_wins(tmp_path: Path, helper: Callable[[str], str]) -> None:
    token = tmp_path / "token"
    token.write_text("  secret\n")
    url = "https://user:password@cache.example.com"
    headers = (("authorization", "Mine"), ("X-Key", "1"))
    program = helper("print(json.dumps({'headers': {'AUTHORIZATION': ['A', 'B'], 'X-Other': ['2']}}))")
    of_token = RemoteSettings(token_file=str(token))
    of_helper = RemoteSettings(token_file=str(token), credential_helpers=(("", program),))
    of_all = RemoteSettings(token_file=str(token), credential_helpers=(("", program),), headers=headers)
    assert Credentials(of_token, url).headers() == {"Authorization": "Bearer secret"}
    assert Credentials(of_helper, url).headers() == {"AUTHORIZATION": "A, B", "X-Other": "2"}
    assert Credentials(of_all, url).headers() == {"authorization": "Mine", "X-Other": "2", "X-Key": "1"}


def test_a_token_is_read_again_once_it_is_refused(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    credentials = Credentials(RemoteSettings(token_file=str(token)), URL)
    old = credentials.headers()
    token.write_text("new")
    assert credentials.headers() == old == {"Authorization": "Bearer old"}
    assert credentials.refused(old)
    assert credentials.headers() == {"Authorization": "Bearer new"}


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe", b"two\nlines", "schlüssel€".encode()])
def test_a_token_file_without_a_token_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_bytes(content)
    with pytest.raises(RemoteError) as caught:
        Credentials(RemoteSettings(token_file=str(token)), URL).headers()
    assert caught.value.kind == "denied"
    assert str(token) in str(caught.value)
    assert "lines" not in str(caught.value)
    assert "schl" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "program"),
    [
        ("cache.example.com", "exact"),
        ("CACHE.example.com", "exact"),
        ("other.example.com", "domain"),
        ("deep.other.example.com", "domain"),
        ("example.com", "domain"),
        ("x.deep.example.com", "closer"),
        ("notexample.com", "any"),
        ("::1", "any"),
    ],
)
def test_the_closest_pattern_decides(host: str, program: str) -> None:
    helpers = [
        ("", "any"),
        ("*.example.com", "domain"),
        ("*.Deep.example.com", "closer"),
        ("cache.example.com", "exact"),
        ("cache.example.com", "later"),
    ]
    assert helper_for(host, helpers) == program
    assert helper_for("example.org", helpers[1:]) is None


@pytest.mark.parametrize(
    ("url", "uri"),
    [
        ("https://user:password@cache.example.com/a/b/", "https://cache.example.com/a/b"),
        ("http://cache.example.com:81", "http://cache.example.com:81/"),
        ("grpcs://cache.example.com", "https://cache.example.com/"),
        ("grpc://[::1]:9092", "https://[::1]:9092/"),
    ],
)
def test_a_helper_is_asked_for_the_server(
    tmp_path: Path, helper: Callable[[str], str], url: str, uri: str
) -> None:
    assert Credentials(asking(helper(GIVES_RUN)), url).headers() == {"Authorization": "Bearer 1"}
    assert runs(tmp_path) == [uri]


def test_a_helper_runs_once_for_all_threads(tmp_path: Path, helper: Callable[[str], str]) -> None:
    credentials = Credentials(asking(helper(GIVES_RUN)), URL)
    threads = [threading.Thread(target=credentials.headers) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = credentials.headers()
    assert len(runs(tmp_path)) == 1
    assert credentials.refused(refused)
    fresh = credentials.headers()
    assert fresh == {"Authorization": "Bearer 2"}
    # Another thread was refused the old ones too, and learns of it late.
    assert credentials.refused(refused)
    assert credentials.headers() is fresh


@pytest.mark.parametrize(
    ("expires", "seconds"),
    [
        ("", 30 * 60),
        ("'expires': '1970-01-01T00:01:40Z'", 100),
        ("'expires': '1970-01-01t01:01:40.123456789+01:00'", 100.2),
        ("'expires': '1969-12-31T22:31:40-01:30'", 100),
    ],
)
def test_a_helper_runs_again_when_its_time_is_over(
    tmp_path: Path, helper: Callable[[str], str], expires: str, seconds: float
) -> None:
    now = [0.0]
    program = helper(f"print(json.dumps({{'headers': {{'A': [str(run)]}}, {expires}}}))")
    credentials = Credentials(asking(program), URL, clock=lambda: now[0])
    assert credentials.headers() == {"A": "1"}
    now[0] = seconds - 1
    assert credentials.headers() == {"A": "1"}
    now[0] = seconds
    assert credentials.headers() == {"A": "2"}


def test_a_clock_that_is_ahead_does_not_have_the_helper_run_for_each_request(
    helper: Callable[[str], str],
) -> None:
    now = [10_000.0]
    answer = "{'headers': {'A': [str(run)]}, 'expires': '1970-01-01T00:01:40Z'}"
    credentials = Credentials(asking(helper(f"print(json.dumps({answer}))")), URL, clock=lambda: now[0])
    assert credentials.headers() == credentials.headers() == {"A": "1"}
    now[0] += 60
    assert credentials.headers() == {"A": "2"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "sys.stderr.write('log in first: run `login`'); sys.exit(3)",
            "exited with 3\nlog in first: run `login`",
        ),
        ("os.kill(os.getpid(), 9)", "signal 9"),
        ("print('nonsense')", "does not follow the protocol"),
        ("print('[1]')", "not a JSON object"),
        ("print('{\"headers\": []}')", '"headers" is not an object'),
        ('print(\'{"headers": {"A": "secret"}}\')', '"A" is not a list of strings'),
        ('print(\'{"headers": {"A": [1]}}\')', '"A" is not a list of strings'),
        ("print('{\"expires\": 5}')", '"expires" is not a string'),
        ('print(\'{"expires": "tomorrow"}\')', "RFC 3339"),
        ('print(\'{"expires": "2025-13-01T00:00:00Z"}\')', "does not follow the protocol"),
        ('print(\'{"expires": "0001-01-01T00:00:00+23:59"}\')', "before or after all years"),
        ('print(\'{"headers": {"A b": ["secret"]}}\')', "cannot send the header"),
        ("print(json.dumps({'headers': {'A': ['secret\\r\\nX: y']}}))", "cannot send the header"),
        ("print('[' * 100000)", "does not follow the protocol"),
    ],
)
def test_a_helper_that_fails_is_told_of_with_its_own_words(
    helper: Callable[[str], str], body: str, said: str
) -> None:
    program = helper(body)
    with pytest.raises(RemoteError) as caught:
        Credentials(asking(program), URL).headers()
    text = str(caught.value)
    assert caught.value.kind == "denied"
    assert program in text
    assert "secret" not in text
    for line in said.splitlines():
        assert line in text


def test_a_helper_that_cannot_be_run_is_told_of(tmp_path: Path) -> None:
    for program in (str(tmp_path / "missing"), str(tmp_path)):
        with pytest.raises(RemoteError, match="gave no credentials") as caught:
            Credentials(asking(program), URL).headers()
        assert "cannot be run" in str(caught.value)


def test_a_helper_that_hangs_is_ended_with_its_children(tmp_path: Path, helper: Callable[[str], str]) -> None:
    started = tmp_path / "child"
    body = (
        "import subprocess; child = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(started)!r}, 'w').write(str(child.pid)); child.wait()"
    )
    program = helper(body)
    for timeout_s in (1.5, 6.0, 30.0):
        with pytest.raises(RemoteError) as caught:
            Credentials(asking(program, timeout_s=timeout_s), URL).headers()
        assert f"within {timeout_s:g} seconds" in str(caught.value)
        # A busy machine may not even have started the child by then.
        if started.exists() and started.read_text():
            break
    child = int(started.read_text())
    status = Path(f"/proc/{child}/status")
    assert not status.exists() or "zombie" in status.read_text()


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_helper_that_writes_without_end_is_ended(helper: Callable[[str], str], stream: str) -> None:
    program = helper(f"while True: sys.{stream}.write('s3cret' * 9999)")
    with pytest.raises(RemoteError) as caught:
        Credentials(asking(program), URL).headers()
    assert "it wrote more than" in caught.value.reason
    assert "s3cret" not in caught.value.render()


def test_a_failed_helper_is_tried_again_by_the_next_who_asks(
    tmp_path: Path, helper: Callable[[str], str]
) -> None:
    credentials = Credentials(asking(helper(f"if run == 1: sys.exit(1)\n{GIVES_RUN}")), URL)
    with pytest.raises(RemoteError):
        credentials.headers()
    assert credentials.headers() == {"Authorization": "Bearer 2"}


def test_headers_of_a_helper_replace_no_others(helper: Callable[[str], str]) -> None:
    program = helper("print(json.dumps({'headers': {}}))")
    headers = Credentials(asking(program), "https://user:pass@cache.example.com").headers()
    assert list(headers) == ["Authorization"]


@pytest.mark.parametrize(
    "url", ["", "cache", "http://", "https://host:port/", "http://h/?q=1", "http://h/#f", "http://[::1"]
)
def test_what_is_no_address_is_an_error(url: str) -> None:
    with pytest.raises(RemoteError) as caught:
        parse_address(url)
    assert caught.value.kind == "protocol"


def test_secrets_are_not_shown() -> None:
    url = "https://user:p%40ss@cache.example.com:1/a/?token=t#f"
    assert without_secrets(url) == "https://cache.example.com:1/a/"
    address = parse_address("https://user:p%40ss@[::1]:1/a/")
    assert str(address) == "https://[::1]:1/a"
    assert "user" not in repr(address)
    assert "p@ss" not in repr(address)
    with pytest.raises(RemoteError) as caught:
        parse_address(url)
    assert "user" not in str(caught.value)
    assert "token" not in json.dumps(str(caught.value))
