"""What a build is told of remote servers: where they are, who asks, how patient to be."""

from __future__ import annotations

from dataclasses import dataclass

SETTING_NAMES = (
    "remote-cache",
    "remote-executor",
    "remote-instance",
    "remote-upload",
    "remote-headers",
    "remote-token-file",
    "credential-helper",
    "remote-ca",
    "remote-client-certificate",
    "remote-client-key",
    "remote-connect-timeout",
    "remote-timeout",
    "remote-retries",
    "remote-compression",
    "remote-fallback",
    "remote-execution-timeout",
    "remote-platform",
    "remote-python",
)
"""What ``[tool.hermpkg]`` may say of remote servers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteSettings:
    """Where a build shares its work, and how it gets there.

    `cache` is a ``grpc://``, ``grpcs://``, ``http://`` or ``https://`` URL and `executor` a ``grpc://``
    or ``grpcs://`` one, each "" for none. `instance` is the instance name of the Remote Execution API.
    All files are absolute paths, "" for none: `token_file` holds a bearer token and is read again when
    a server refuses; `ca_file`, `client_certificate` and `client_key` are PEM files.
    `credential_helpers` are pairs of a host pattern ("" for every host) and a program that speaks
    Bazel's protocol, the first match wins. `first_answer_s` is how long a server may take until its first
    answer, all attempts together, in seconds; from then on `timeout_s` bounds a request that moves no
    bytes, in seconds; `retries` is how often one is tried again. `execution_fallback` lets an action run
    here where the executor cannot be used; `platform` are the properties that its workers must have,
    `execution_timeout_s` is how long an action may run there, in seconds, and `python` the path of the
    interpreter there, "" where it is that of this one.
    """

    cache: str = ""
    executor: str = ""
    instance: str = ""
    upload: bool = True
    headers: tuple[tuple[str, str], ...] = ()
    token_file: str = ""
    credential_helpers: tuple[tuple[str, str], ...] = ()
    ca_file: str = ""
    client_certificate: str = ""
    client_key: str = ""
    first_answer_s: float = 10.0
    timeout_s: float = 60.0
    retries: int = 5
    compression: bool = True
    execution_fallback: bool = True
    platform: tuple[tuple[str, str], ...] = ()
    execution_timeout_s: float = 3600.0
    python: str = ""
