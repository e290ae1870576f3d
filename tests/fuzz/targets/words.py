"""What people and workspaces write in words: settings, labels, policies, queries, addresses."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from laws import Reader, in_file, target_of

from hermpkg_build.core.globs import GlobGroup
from hermpkg_build.core.label import Label, TargetPattern
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.policy import PolicyRule, PolicyTable
from hermpkg_build.core.quantities import read_age, read_size
from hermpkg_build.disk.user_settings import user_settings
from hermpkg_build.loading.remote_settings import remote_settings
from hermpkg_build.loading.workspace import find_workspace
from hermpkg_build.query.parser import parse
from hermpkg_build.remote.addresses import parse_address, without_secrets
from hermpkg_build.remote.credential_helper import _parse
from hermpkg_build.trust.policy_file import read_policy

_PYPROJECT = b"""[project]
name = "thing"
[tool.setuptools.packages.find]
where = ["src"]
[tool.hermpkg]
source-roots = ["src"]
remote-cache = "grpcs://cache.example.com:8980"
remote-timeout = 10
remote-headers = { "x-a" = "b" }
remote-platform = { a = "b" }
"""
_USER = b'color = "never"\njobs = 3\ncache-size = "10GB"\n'
_TRUST = b"""require-trust = true
[[artifact]]
artifacts = ["a*.pt", "**"]
sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
signers = [{ identity = "a@b.org", issuer = "https://b.org" }]
globals = ["torch.nn.modules.linear.Linear"] # "
capabilities = 'reads'
[artifact.externs]
"torch.**" = ">=2.6"
[[artifact]]
allow-all = false
"""
_HELPER = b'{"headers":{"Authorization":["Bearer x","y"]},"expires":"2030-01-01T00:00:00.123456789+01:30"}'
_QUERY = (
    b"let v = kind('model.*', //a/...) in deps($v, 2) except attr(name, '\\.py', $v) + somepath(//a:b, //c)"
)


_NO_JSON = (ValueError, RecursionError)


def readers(folder: Path) -> Mapping[str, Reader]:
    """Return the readers of words."""
    (folder / "ws" / "src").mkdir(parents=True, exist_ok=True)
    return {
        "pyproject": in_file(
            folder / "ws" / "pyproject.toml",
            _PYPROJECT,
            lambda: remote_settings(find_workspace(str(folder / "ws")), {}),
        ),
        "user-settings": in_file(
            folder / "user.toml",
            _USER,
            lambda: user_settings({"HERMPKG_CONFIG": str(folder / "user.toml")}),
        ),
        "trust-policy": in_file(
            folder / "trust.toml", _TRUST, lambda: read_policy(folder / "trust.toml")
        ),
        "label": Reader(sound=b"//a/b:c.py", read=_text(Label.parse)),
        "pattern": Reader(sound=b"//a/b/...:all-targets", read=_text(TargetPattern.parse)),
        "policy": Reader(sound=b"torch.**\nnumpy.*.core\n**.x\na*b.c", read=_policy, raises=(ValueError,)),
        "query": Reader(sound=_QUERY, read=_text(parse)),
        "address": Reader(sound=b"https://me:se%20cret@host.example.com:80/path?q#f", read=_address),
        "helper": Reader(sound=_HELPER, read=_helper, raises=_NO_JSON),
        "helper-early": Reader(sound=_HELPER.replace(b"2030", b"0001"), read=_helper, raises=_NO_JSON),
        "size": Reader(sound=b"1.5 GiB", read=_text(read_size), raises=(ValueError,)),
        "age": Reader(sound=b"30 days", read=_text(read_age), raises=(ValueError,)),
    }  # fmt: skip


def _text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    """Read what an argument of a command can be."""
    return lambda data: read(os.fsdecode(data[:2_000].replace(b"\0", b"")))


def _helper(data: bytes) -> object:
    return _parse(json.loads(data))


def _policy(data: bytes) -> None:
    patterns = tuple(data[:3_000].decode("utf-8", "replace").split("\n"))
    for pattern in patterns:
        GlobGroup(pattern).matches("a.b.c.d.e.f.g.h" * 10)
    PolicyTable([PolicyRule(policy=Policy.INTERN, include=patterns)]).decide("torch.nn.functional")


def _address(data: bytes) -> None:
    text = os.fsdecode(data[:2_000])
    without_secrets(text)
    parse_address(text)


TARGET = target_of(readers)
