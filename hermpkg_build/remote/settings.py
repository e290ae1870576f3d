"""The settings of remote servers: one table of their fields, names, forms, defaults and meanings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from hermpkg_build.dataclass import dataclass, field, fields
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
    is the value that holds without it, as people write it, "" for none.
    """

    option: str
    key: str
    form: Form
    default: str
    help: str


def _setting(default: _T, option: str, form: Form, help: str, *, key: str = "") -> _T:
    """Declare a field; `key` is the name of its setting in TOML where that is not the option's."""
    written = _written(default)
    setting = Setting(option=option, key=key or option, form=form, default=written, help=help)
    value: _T = field(default=default, metadata={"setting": setting})
    return value


def _written(default: object) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"{default:g}" if isinstance(default, (int, float)) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSettings:
    """Where a build shares its work, and how it gets there.

    A field added here is an option, a setting of the workspace and a row of the reference. Files are
    absolute paths, "" for none; names of headers are in lower case; credential helpers are pairs of a host
    pattern ("" for every host) and a program, of which the first of equal patterns counts.
    """

    cache: str = _setting(
        "",
        "remote-cache",
        CACHE_URL,
        'share work through the server at URL (grpc, grpcs, http, https); "" for none',
    )
    executor: str = _setting(
        "",
        "remote-executor",
        EXECUTOR_URL,
        'run model actions on the server at URL (grpc, grpcs), the cache too if none is named; "" for here',
    )
    instance: str = _setting("", "remote-instance", NAME, "the instance to use of servers that speak gRPC")
    upload: bool = _setting(
        True, "remote-upload", SWITCH, "whether the cache gets what is built here; it is read either way"
    )
    headers: tuple[tuple[str, str], ...] = _setting(
        (), "remote-header", HEADERS, "send a header with every request (repeatable)", key="remote-headers"
    )
    token_file: str = _setting(
        "", "remote-token-file", FILE, "send the bearer token in FILE, read again when a server refuses it"
    )
    credential_helpers: tuple[tuple[str, str], ...] = _setting(
        (),
        "credential-helper",
        PROGRAMS,
        "ask PROGRAM for headers, as Bazel does; HOST may begin with `*.` (repeatable)",
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
        "how long to wait for a server's first answer in a build, all attempts together",
    )
    timeout_s: float = _setting(
        60.0, "remote-timeout", SECONDS, "how long to wait while nothing moves, once a server has answered"
    )
    retries: int = _setting(
        5, "remote-retries", COUNT, "how often to try again, each time after a longer pause"
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
