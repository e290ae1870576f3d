"""Locks of projects, and the environments that artifacts record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from laws import Reader, target_of

from hermpkg_build.environment.needs import needs_of
from hermpkg_build.environment.project_lock import read_project_lock
from hermpkg_build.environment.pylock import parse_pylock, pylock_text
from hermpkg_build.environment.requirements_text import requirements_lines
from hermpkg_build.environment.selection import needed_here, select
from hermpkg_build.environment.toml_fields import LockFormError
from hermpkg_build.errors import ArchiveError

_HASH = "0123456789abcdef" * 4
_PYLOCK = f"""lock-version = "1.0"
created-by = "x"
[[packages]]
name = "a-b"
version = "1.0+cpu"
marker = "python_version < '3.99' and (os_name == 'nt' or sys_platform != 'x')"
requires-python = ">=3.10"
sdist = {{path = "a_b-1.0+cpu.tar.gz", hashes = {{sha256 = "{_HASH}"}}}}
[[packages.wheels]]
url = "https://h.example/a_b-1.0%2Bcpu-py3-none-any.whl"
size = 7
hashes = {{sha256 = "{_HASH}"}}
[[packages]]
name = "c"
vcs = {{type = "git", url = "https://h.example/c", commit-id = "{_HASH[:40]}", subdirectory = "d"}}
[[tool.hermpkg.packages]]
name = "e"
version = "2"
hashes = ["sha256:{_HASH}"]
"""
_UV = f"""version = 1
[[package]]
name = "a"
version = "1"
source = {{ registry = "https://h.example/simple" }}
resolution-markers = ["python_full_version < '3.12'", "os_name == 'nt'"]
dependencies = [{{ name = "b", extra = ["c"], marker = "sys_platform == 'win32'" }}]
wheels = [{{ url = "https://h.example/a-1-py3-none-any.whl", hash = "sha256:{_HASH}", size = 3 }}]
[[package]]
name = "b"
version = "2"
source = {{ git = "https://h.example/b?rev=x#{_HASH[:40]}" }}
"""
_POETRY = f"""[[package]]
name = "A"
version = "1"
markers = {{main = "os_name == 'nt'"}}
files = [{{file = "A-1-py3-none-any.whl", hash = "sha256:{_HASH}"}}]
[package.dependencies]
b = [{{version = "*", markers = "os_name == 'nt'", extras = ["c"]}}, {{version = "1", optional = true}}]
[package.extras]
x = ["b (>=1)"]
[metadata]
lock-version = "2.1"
"""
_REQUIREMENTS = f"a[b]==1.0 ; os_name == 'nt' \\\n    --hash=sha256:{_HASH}  # why\n-r other.txt\n"
_METADATA = (
    "a>=1,<2; python_version < '3' and extra == 'x'\nb[c,d] ; (extra == 'x')\ne @ https://h.example/e\n"
)


def readers(_: Path) -> Mapping[str, Reader]:
    """Return the readers of locks."""
    sound = {
        "pylock.toml": _PYLOCK,
        "uv.lock": _UV,
        "poetry.lock": _POETRY,
        "requirements.txt": _REQUIREMENTS,
    }
    return {
        **{
            name: Reader(sound=text.encode(), read=_lock(name), raises=(LockFormError,))
            for name, text in sound.items()
        },
        "environment": Reader(
            sound=_PYLOCK.encode(), read=_environment, raises=(LockFormError, ArchiveError)
        ),
        "requirements": Reader(sound=_METADATA.encode(), read=_needs),
    }


def _lock(name: str) -> Callable[[bytes], object]:
    return lambda data: read_project_lock({name: data})


def _environment(data: bytes) -> None:
    environment = parse_pylock(data)
    assert parse_pylock(pylock_text(environment).encode()) == environment
    lines = list(requirements_lines(environment.distributions, hashes=True))
    assert len("\n".join(lines).splitlines()) == len(lines) + sum(line.count("\n") for line in lines)
    assert not any(line.startswith("-") for line in lines)
    list(needed_here(environment))
    select(environment)


def _needs(data: bytes) -> None:
    for extra in ("", "x"):
        list(needs_of(data.decode("utf-8", "replace").splitlines(), extra))


TARGET = target_of(readers)
