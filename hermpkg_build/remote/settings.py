"""The settings of remote servers: one table of their fields, names, forms, defaults and meanings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TypeVar

from hermpkg_build.remote.setting_forms import (
    CACHE_URL,
    COUNT,
    EXECUTOR_URL,
    FILE,
    HEADERS,
    NAME,
    PATH,
    PROGRAMS,
    PROPERTIES,
    SECONDS,
    SWITCH,
    Form,
)

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What people write to set one field of `RemoteSettings`, and what they are told of it.

    `option` is its name on the command line, without dashes, and `key` that in ``[tool.hermpkg]``. `default`
    is the value that holds without it, as people write it, "" for none. `help` is the line in help texts,
    `details` what the reference adds.
    """

    option: str
    key: str
    form: Form
    default: str
    help: str
    details: str = ""


def _setting(default: _T, option: str, form: Form, help: str, *, details: str = "", key: str = "") -> _T:
    setting = Setting(
        option=option,
        key=key or option,
        form=form,
        default=_words_of(default),
        help=help,
        details=details,
    )
    value: _T = field(default=default, metadata={"setting": setting})
    return value


def _words_of(default: object) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"{default:g}" if isinstance(default, (int, float)) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSettings:
    """Where a build shares its work, and how it gets there.

    A new field is an option, a setting of the workspace and a row of the reference without further ado.
    Files are absolute paths, "" for none. Headers have names in lower case. Credential helpers are pairs
    of a host pattern ("" for every host) and a program; the first of equal patterns wins.
    """

    cache: str = _setting(
        "",
        "remote-cache",
        CACHE_URL,
        'share work through the server at URL (grpc, grpcs, http, https); "" for none',
        details="grpc and grpcs are for the Remote Execution API, http and https for Bazel's HTTP cache",
    )
    executor: str = _setting(
        "",
        "remote-executor",
        EXECUTOR_URL,
        'run model actions on the server at URL (grpc, grpcs); "" for here',
        details="it is the shared cache too where no other is named",
    )
    instance: str = _setting("", "remote-instance", NAME, "the instance to use of servers that speak gRPC")
    upload: bool = _setting(
        True,
        "remote-upload",
        SWITCH,
        "whether the shared cache gets what is built here",
        details="it is read either way",
    )
    headers: tuple[tuple[str, str], ...] = _setting(
        (), "remote-header", HEADERS, "send a header with every request (repeatable)", key="remote-headers"
    )
    token_file: str = _setting(
        "",
        "remote-token-file",
        FILE,
        "show servers the bearer token in FILE",
        details="the file is read again when a server refuses the token",
    )
    credential_helpers: tuple[tuple[str, str], ...] = _setting(
        (),
        "credential-helper",
        PROGRAMS,
        "ask PROGRAM for headers, as Bazel does (repeatable)",
        details="it is asked by the protocol of Bazel's credential helpers; HOST may begin with `*.`",
    )
    ca_file: str = _setting(
        "", "remote-ca", FILE, "trust the certificates in FILE (PEM) instead of the system's"
    )
    client_certificate: str = _setting(
        "", "remote-client-certificate", FILE, "show servers the certificate in FILE (PEM)"
    )
    client_key: str = _setting("", "remote-client-key", FILE, "the certificate's private key (PEM)")
    first_answer_s: float = _setting(
        10.0,
        "remote-connect-timeout",
        SECONDS,
        "how long to wait for a server's first answer",
        details="in a build, all attempts together",
    )
    timeout_s: float = _setting(
        60.0,
        "remote-timeout",
        SECONDS,
        "how long to wait for an answer",
        details="of a server that has answered before, each time that nothing moves",
    )
    retries: int = _setting(
        5, "remote-retries", COUNT, "how often to try again", details="each time after a longer pause"
    )
    compression: bool = _setting(
        True, "remote-compression", SWITCH, "whether contents travel compressed where the server can"
    )
    execution_fallback: bool = _setting(
        True, "remote-fallback", SWITCH, "whether model actions run here where the executor cannot"
    )
    execution_timeout_s: float = _setting(
        3600.0, "remote-execution-timeout", SECONDS, "how long an action may take on the executor"
    )
    platform: tuple[tuple[str, str], ...] = _setting(
        (), "remote-platform", PROPERTIES, "a property that the executor's workers must have (repeatable)"
    )
    python: str = _setting(
        "", "remote-python", PATH, "the interpreter there, where it is not at the path of this one"
    )


SETTINGS: Mapping[str, Setting] = {each.name: each.metadata["setting"] for each in fields(RemoteSettings)}
"""The settings by the field that each sets."""
