"""Locks under a real Bazel: the same record in an artifact as our own engine makes of the same lock."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.archive.layout import ENVIRONMENT
from hermpkg_build.archive.reader import ArchiveReader

pytestmark = pytest.mark.slow

LOAD = 'load("@hermpkg//rules:defs.bzl", "extern", "intern", "model_package", "python_modules")\n'
BUILD = (
    LOAD
    + """
python_modules(name = "modules", srcs = glob(["*.py"]))

[
    model_package(
        name = name,
        environment = lock,
        modules = ["app.main"],
        policy = [intern("app.**"), extern("**")],
        deps = [":modules"],
    )
    for name, lock in {
        "plain": None,
        "named": "//locks:pylock.gpu.toml",
    }.items()
]
"""
)
PLAIN, NAMED = "app/plain.pt", "app/named.pt"


def lock(digit: str, url: str = "") -> str:
    name = f"packaging-{version('packaging')}-py3-none-any.whl"
    where = f'url = "{url}/{name}"' if url else f'path = "{name}"'
    return (
        'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "packaging"\n'
        f'version = "{version("packaging")}"\nwheels = [{{{where}, hashes = {{sha256 = "{digit * 64}"}}}}]\n'
    )


@pytest.fixture(scope="module")
def locked(shared: Any) -> Any:
    shared.write(
        {
            "pyproject.toml": "[tool.hermpkg]\n",
            "app/BUILD": BUILD,
            "app/__init__.py": "",
            "app/main.py": "import packaging.version\n",
            "locks/BUILD": 'exports_files(["pylock.gpu.toml"])\n',
            "locks/pylock.gpu.toml": lock("9"),
            ".bazelrc": "build --experimental_worker_allow_json_protocol\n",
        }
    )
    shared.declare(workers=True)
    return shared


def records(workspace: Any) -> dict[str, str]:
    """The record of each artifact, which has the same bytes by both engines."""
    workspace.build("//app:all")
    ours = workspace.hermpkg("//app:all")
    assert ours == {
        name: hashlib.sha256(Path(workspace.output(name)).read_bytes()).hexdigest() for name in ours
    }
    found = {}
    for name in ours:
        with ArchiveReader(str(workspace.output(name))) as archive:
            found[name] = archive.read(ENVIRONMENT).decode() if archive.has(ENVIRONMENT) else ""
    return found


def test_locks_come_and_change_and_go(locked: Any) -> None:
    found = records(locked)
    assert ("sha256" in found[PLAIN], "9" * 64 in found[NAMED]) == (False, True)
    # One that nobody names appears while Bazel's server lives, changes, and goes.
    for digit in "12":
        locked.write({"pylock.toml": lock(digit)})
        found = records(locked)
        assert (digit * 64 in found[PLAIN], "9" * 64 in found[NAMED]) == (True, True)
    (locked.root / "pylock.toml").unlink()
    assert "sha256" not in records(locked)[PLAIN]


def test_settings_that_name_a_lock(locked: Any) -> None:
    locked.write({"größe é/pylock.toml": lock("3", url="https://index.example"), "uv.lock": "version = 1\n"})
    settings = '[tool.hermpkg]\nenvironment = "größe é/pylock.toml"\nenvironment-urls = true\n'
    locked.write({"pyproject.toml": settings})
    outcome = locked.bazel("build", "//app:plain")
    if outcome.code != 0:
        assert "bazel sync --configure" in outcome.said
        assert locked.bazel("sync", "--configure").code == 0
    found = records(locked)
    assert ("3" * 64 in found[PLAIN], "index.example" in found[PLAIN]) == (True, True)
    locked.write({"pyproject.toml": '[tool.hermpkg]\nenvironment = "off"\n'})
    found = records(locked)
    assert (found[PLAIN], "9" * 64 in found[NAMED]) == ("", True)


def test_a_lock_that_cannot_be_read_is_told_as_by_our_own_engine(locked: Any) -> None:
    locked.write({"pyproject.toml": "[tool.hermpkg]\n", "pylock.toml": "lock-version = '7'\n"})
    assert "pylock.toml is not used" in locked.bazel("build", "//app:plain").said
    assert "sha256" not in records(locked)[PLAIN]
    locked.write({"pyproject.toml": "[tool.hermpkg]\nenvironment = 7\n"})
    outcome = locked.bazel("build", "//app:plain")
    assert outcome.code == 1
    assert "pyproject.toml:2: environment is a file of the workspace, not 7" in outcome.said
