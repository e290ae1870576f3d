"""Where work is shared: settings of the workspace, options before them, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.cli.remote import remote_option_table
from hermpkg_build.errors import CommandLineError, HermpkgError, WorkspaceError
from hermpkg_build.loading.remote_settings import remote_settings, settings_of_options
from hermpkg_build.loading.workspace import find_workspace
from hermpkg_build.remote.settings import SETTINGS, RemoteSettings

Read = Callable[..., RemoteSettings]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads the settings of a pyproject.toml with these lines, and of these options."""

    def read(text: str = "", root: Path = tmp_path, **options: tuple[str, ...]) -> RemoteSettings:
        (root / "pyproject.toml").write_text(f"[tool.hermpkg]\n{text}")
        given = {name.replace("_", "-"): values for name, values in options.items()}
        return remote_settings(find_workspace(str(root)), settings_of_options(given))

    return read


def test_nothing_said_is_nothing_shared(read):
    assert read() == RemoteSettings()


def test_all_settings_of_a_workspace(read, tmp_path, monkeypatch):
    monkeypatch.setenv("HERMPKG_TRUST", str(tmp_path))
    for name in ("token", "ca.pem", "client.pem", "client.key", "helper"):
        (tmp_path / name).write_text("")
    (tmp_path / "helper").chmod(0o755)
    settings = read(
        """
        remote-cache = "grpcs://cache.example.com:443/"
        remote-executor = "grpcs://run.example.com"
        remote-instance = "team/main"
        remote-upload = false
        remote-headers = { X-Build = "ci", x-user = "" }
        remote-token-file = "token"
        credential-helper = ["*.example.com=./helper", "true"]
        remote-ca = "ca.pem"
        remote-client-certificate = "client.pem"
        remote-client-key = "client.key"
        remote-connect-timeout = 3
        remote-timeout = 2.5
        remote-retries = 0
        remote-compression = false
        remote-fallback = false
        remote-execution-timeout = 7
        remote-platform = { OSFamily = "linux" }
        remote-python = "/opt/models/bin/python"
        """
    )
    assert settings == RemoteSettings(
        cache="grpcs://cache.example.com:443",
        executor="grpcs://run.example.com",
        instance="team/main",
        upload=False,
        headers=(("x-build", "ci"), ("x-user", "")),
        token_file=str(tmp_path / "token"),
        credential_helpers=(("*.example.com", str(tmp_path / "helper")), ("", "true")),
        ca_file=str(tmp_path / "ca.pem"),
        client_certificate=str(tmp_path / "client.pem"),
        client_key=str(tmp_path / "client.key"),
        first_answer_s=3.0,
        timeout_s=2.5,
        retries=0,
        compression=False,
        execution_fallback=False,
        execution_timeout_s=7.0,
        platform=(("OSFamily", "linux"),),
        python="/opt/models/bin/python",
    )


def test_options_win(read, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "token").write_text("")
    monkeypatch.chdir(tmp_path / "elsewhere")
    settings = read(
        'remote-cache = "ftp://wrong"\nremote-token-file = "none"\nremote-retries = 1\n',
        remote_cache=("http://one", "HTTPS://two/path/"),
        remote_token_file=("token",),
        remote_upload=("off",),
        remote_timeout=("1.5",),
    )
    assert settings.cache == "https://two/path"
    assert settings.token_file == str(tmp_path / "elsewhere" / "token")
    assert settings.retries == 1
    assert settings.upload is False
    assert settings.timeout_s == 1.5


def test_headers_and_properties_are_added_to(read):
    settings = read(
        'remote-headers = { a = "1", b = "2" }\nremote-platform = { os = "linux" }\n',
        remote_header=("B=3", "c=x=y"),
        remote_platform=("os=mac", "gpu="),
    )
    assert settings.headers == (("a", "1"), ("b", "3"), ("c", "x=y"))
    assert settings.platform == (("os", "mac"), ("gpu", ""))


def test_an_executor_is_a_cache_too_unless_another_is_named(read):
    assert read('remote-executor = "grpc://x:1"').cache == "grpc://x:1"
    assert read('remote-executor = "grpc://x:1"\nremote-cache = "http://y"').cache == "http://y"
    assert read('remote-executor = "grpc://x:1"', remote_cache=("",)).cache == ""


def test_nothing_turns_off_what_is_configured(read):
    text = 'remote-cache = "http://x"\nremote-executor = "grpc://x:1"\n'
    settings = read(text, remote_cache=("",), remote_executor=("",))
    assert (settings.cache, settings.executor) == ("", "")


def test_who_turns_servers_off_needs_no_file_for_them(read):
    files = 'remote-token-file = "none"\nremote-ca = "none"\n'
    assert read(f'remote-cache = "https://x"\n{files}', remote_cache=("",)).cache == ""
    both = f'remote-cache = "https://x"\nremote-executor = "grpcs://x"\n{files}'
    assert read(both, remote_cache=("",), remote_executor=("",)).executor == ""
    with pytest.raises(WorkspaceError, match="names a missing file"):
        read(both, remote_cache=("",))


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("remote-cache = 'ftp://x'", "remote-cache cannot be 'ftp://x'"),
        ("remote-cache = 'example.com:80'", "remote-cache cannot be 'example.com:80'"),
        ("remote-cache = 'http://'", "remote-cache cannot be 'http://': it names no host"),
        ("remote-cache = 'http://[::1'", "remote-cache cannot be 'http://[::1': Invalid IPv6 URL"),
        ("remote-cache = 'http://x:99999'", "remote-cache cannot be 'http://x:99999': Port out of range"),
        ("remote-cache = 'http://x?a=b'", "remote-cache cannot be 'http://x': it has a query or a fragment"),
        ("remote-cache = 'grpc://x/instance'", "'grpc://x/instance': servers that speak gRPC have no path"),
        ("remote-cache = 'grpcs://me@x'", "'grpcs://x': servers that speak gRPC have no user"),
        ("remote-cache = 3", "remote-cache must be a text without control characters, not 3"),
        ("remote-cache = ['http://me:secret@x']", "control characters, not a list"),
        ('remote-cache = "http://me:secret@x\\n"', "control characters, not 'http://x\\n'"),
        ('remote-instance = "a\\nb"', "remote-instance must be a text"),
        ("remote-executor = 'https://x'", "remote-executor cannot be 'https://x'"),
        ("remote-upload = 'on'", "remote-upload must be true or false"),
        ("remote-headers = 'a=b'", "remote-headers must be a table"),
        (
            "remote-headers = { a = 1 }",
            "names and texts, but 'a' has no text",
        ),
        ("remote-headers = { 'a b' = '1' }", "cannot have a header called 'a b'"),
        ("remote-headers = { '' = '1' }", "remote-headers must be a table"),
        ("remote-token-file = 'none'", "remote-token-file names a missing file: none"),
        ("remote-token-file = '.'", "remote-token-file names a missing file: ."),
        ("credential-helper = ['./none']", "credential-helper names a missing program: ./none"),
        ("credential-helper = 3", "credential-helper must be a program"),
        ("remote-timeout = 0", "remote-timeout must be a number of seconds above 0"),
        ("remote-timeout = inf", "remote-timeout must be a number of seconds above 0"),
        ("remote-timeout = nan", "remote-timeout must be a number of seconds above 0"),
        ("remote-timeout = true", "remote-timeout must be a number of seconds above 0"),
        ("remote-retries = -1", "remote-retries must be a whole number from 0"),
        ("remote-retries = 1.5", "remote-retries must be a whole number from 0"),
        ("remote-platform = []", "remote-platform must be a table"),
        ("remote-cahce = 'http://x'", "tool.hermpkg has no setting 'remote-cahce'"),
        ("remote_cache = 'http://x'", "tool.hermpkg has no setting 'remote_cache'"),
        ("remote-anything-else = 1", "tool.hermpkg has no setting 'remote-anything-else'"),
    ],
)
def test_wrong_settings_are_found_where_they_stand(read, tmp_path, line, what):
    with pytest.raises(WorkspaceError) as caught:
        read(f"\n{line}\n")
    assert what in caught.value.summary
    assert caught.value.location is not None
    assert caught.value.location.path == str(tmp_path / "pyproject.toml")
    assert caught.value.location.line == 3


@pytest.mark.parametrize(
    ("option", "value", "what"),
    [
        ("remote_cache", "x", "--remote-cache cannot be 'x'"),
        ("remote_header", "x", "--remote-header must be NAME=VALUE"),
        ("remote_header", "=x", "--remote-header must be NAME=VALUE"),
        ("remote_platform", "x", "--remote-platform must be NAME=VALUE"),
        ("remote_timeout", "soon", "--remote-timeout must be a number, not 'soon'"),
        ("remote_retries", "1.5", "--remote-retries must be a whole number from 0, not 1.5"),
        ("remote_retries", "-1", "--remote-retries must be a whole number from 0, not -1"),
        ("remote_timeout", "inf", "--remote-timeout must be a number of seconds above 0, not inf"),
        ("remote_ca", "none", "--remote-ca names a missing file: none"),
        ("credential_helper", "host=", "--credential-helper names a missing program"),
    ],
)
def test_wrong_options(read, option, value, what):
    with pytest.raises(CommandLineError) as caught:
        read(**{option: (value,)})
    assert what in caught.value.summary


@pytest.mark.parametrize(
    "secret",
    [
        {"remote_token_file": ("pyproject.toml",)},
        {"remote_header": ("authorization=x",)},
        {"remote_header": ("X-Api-Key=x",)},
        {"remote_header": ("x-auth=x",)},
        {"credential_helper": ("true",)},
        {"credential_helper": ("*.example.com=true",)},
    ],
)
@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://example.com", False),
        ("grpc://example.com:80", False),
        ("https://example.com", True),
        ("grpcs://example.com", True),
        ("http://localhost:80", True),
        ("grpc://127.0.0.2:80", True),
        ("http://[::1]:80", True),
    ],
)
def test_credentials_are_sent_in_secret_or_to_this_machine(
    read: Read, tmp_path: Path, monkeypatch: Any, secret: dict[str, tuple[str, ...]], url: str, allowed: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    read()
    if allowed:
        assert read(remote_cache=(url,), **secret).cache == url
    else:
        with pytest.raises(CommandLineError, match="credentials are not sent"):
            read(remote_cache=(url,), **secret)


def test_only_a_name_server_knows_where_names_below_localhost_lead(read):
    with pytest.raises(CommandLineError, match="credentials are not sent"):
        read(remote_cache=("http://cache.localhost",), remote_header=("authorization=x",))


def test_what_is_for_another_host_is_no_secret_of_this_one(read):
    assert read(remote_cache=("http://example.com",), credential_helper=("other.com=true",)).cache


def test_a_password_in_a_url_is_not_repeated(read):
    with pytest.raises(HermpkgError) as caught:
        read(remote_cache=("http://me:hunter2@example.com/x",))
    assert "hunter2" not in caught.value.render()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("remote_cache", "ftp://me:hunter2@example.com"),
        ("remote_cache", "me:hunter2@example.com"),
        ("remote_cache", "https://me:hunter2 x@example.com"),
        ("remote_cache", "https://me:hunter2/x@example.com"),
        ("remote_cache", "https://me:hunter2@example.com:99999"),
        ("remote_cache", "https://example.com?token=hunter2"),
        ("remote_cache", "https://example.com#hunter2"),
        ("remote_cache", "https://example.com?token=x@hunter2"),
        ("remote_cache", "https://me:x?hunter2@example.com"),
        ("remote_cache", "https://me:hunter2@"),
        ("remote_executor", "grpc://me:hunter2@example.com/instance"),
        ("remote_executor", "grpc://me:x/hunter2@example.com"),
        ("remote_header", "Authorization: Bearer hunter2"),
        ("remote_header", "x-token=hunter2\n"),
        ("remote_header", "x token=hunter2"),
    ],
)
def test_no_error_repeats_a_secret(read, option, value):
    with pytest.raises(CommandLineError) as caught:
        read(**{option: (value,)})
    assert "hunter2" not in caught.value.render()


@pytest.mark.parametrize("value", ["'a=hunter2'", "{ a = ['hunter2'] }", '{ a = "hunter2\\n" }'])
def test_no_error_repeats_a_header_of_the_workspace(read, value):
    with pytest.raises(WorkspaceError, match="must be a table of names and texts") as caught:
        read(f"remote-headers = {value}\n")
    assert "hunter2" not in caught.value.render()


def test_a_certificate_needs_its_key(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for option, other in (("certificate", "key"), ("key", "certificate")):
        with pytest.raises(CommandLineError) as caught:
            read(**{f"remote_client_{option}": ("pyproject.toml",)})
        assert f"--remote-client-{other}" in caught.value.next_step


def test_every_setting_is_an_option_and_takes_its_default():
    assert [option.name for option in remote_option_table()] == [
        setting.option for setting in SETTINGS.values()
    ]
    assert list(SETTINGS) == [each.name for each in fields(RemoteSettings)]
    given = {setting.option: (setting.default,) for setting in SETTINGS.values() if setting.default}
    assert len(given) == 7
    assert RemoteSettings(**settings_of_options(given)) == RemoteSettings()


@pytest.mark.parametrize(
    ("setting", "given"),
    [
        ('remote-token-file = "{0}"', {"remote_token_file": "{0}"}),
        ('remote-client-key = "{0}"\nremote-client-certificate = "own"', {"remote_client_key": "{0}"}),
        ('remote-client-certificate = "{0}"\nremote-client-key="own"', {"remote_client_certificate": "{0}"}),
        ('credential-helper = "{0}"', {"credential_helper": "{0}"}),
        ('credential-helper = "*.example.com=true"', {"credential_helper": "true"}),
        ('credential-helper = "./own"', {"credential_helper": "./own"}),
    ],
)
@pytest.mark.parametrize("spelling", ["absolute", "relative", "home", "link"])
def test_what_is_the_users_is_used_where_the_user_says_so(
    read, tmp_path, monkeypatch, setting, given, spelling
):
    root = tmp_path / "workspace"
    root.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(root)
    for file in (tmp_path / "secret", root / "own"):
        file.write_text("secret")
        file.chmod(0o755)
    (root / "link").symlink_to("../secret")
    secret = {
        "absolute": str(tmp_path / "secret"),
        "relative": "../secret",
        "home": "~/secret",
        "link": "./link",
    }
    lines = f'remote-cache = "https://x"\n{setting.format(secret[spelling])}\n'
    with pytest.raises(WorkspaceError, match="not used because a workspace says so") as caught:
        read(lines, root=root)
    assert "HERMPKG_TRUST=" in caught.value.next_step
    assert ("server", "https://x") in caught.value.facts
    assert read(lines, root=root, remote_cache=("",)).cache == ""
    options = {name: (value.format(secret[spelling]),) for name, value in given.items()}
    assert read(lines, root=root, **options).cache == "https://x"
    monkeypatch.setenv("HERMPKG_TRUST", str(root))
    assert read(lines, root=root).cache == "https://x"


def test_a_workspaces_own_files_are_its_own(read, tmp_path):
    (tmp_path / "token").write_text("t")
    settings = read('remote-cache = "https://x"\nremote-token-file = "token"\n')
    assert settings.token_file == str(tmp_path / "token")
