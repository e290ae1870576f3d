"""Locks of projects: the same distributions, whichever tool wrote them."""

from __future__ import annotations

import pytest

from hermpkg_build.environment.locked import LockedFile, Repository
from hermpkg_build.environment.project_lock import ProjectLock, kind_of, read_project_lock
from hermpkg_build.environment.toml_fields import LockFormError

ONE, TWO = "1" * 64, "2" * 64
FILES = f"""
    {{file = "Alpha_X-1.0-py3-none-any.whl", hash = "sha256:{ONE}"}},
    {{file = "alpha_x-1.0.tar.gz", hash = "sha256:{TWO}"}},
"""
LOCKS = {
    "pylock.toml": f"""
lock-version = "1.0"
created-by = "x"
[[packages]]
name = "alpha-x"
version = "1.0"
[[packages.wheels]]
url = "https://h.example/f/Alpha_X-1.0-py3-none-any.whl"
hashes = {{sha256 = "{ONE}", md5 = "0"}}
[packages.sdist]
name = "alpha_x-1.0.tar.gz"
path = "s/alpha_x-1.0.tar.gz"
hashes = {{sha256 = "{TWO}"}}
""",
    "uv.lock": f"""
version = 1
revision = 3
[[package]]
name = "alpha-x"
version = "1.0"
source = {{ registry = "https://h.example/simple" }}
dependencies = [
    {{ name = "beta", marker = "sys_platform == 'win32'" }},
    {{ name = "gamma", extra = ["g"] }},
]
sdist = {{ url = "https://h.example/f/alpha_x-1.0.tar.gz", hash = "sha256:{TWO}" }}
wheels = [{{ url = "https://h.example/f/Alpha_X-1.0-py3-none-any.whl", hash = "sha256:{ONE}" }}]
[package.optional-dependencies]
fast = [{{ name = "delta" }}]
""",
    "poetry.lock": f"""
[[package]]
name = "Alpha_X"
version = "1.0"
optional = false
python-versions = ">=3.10"
groups = ["main"]
files = [{FILES}]
[package.dependencies]
beta = {{version = ">=1", markers = "sys_platform == 'win32'"}}
Gamma = {{version = "*", extras = ["g"]}}
delta = {{version = ">=2", optional = true, markers = "extra == 'fast'"}}
[package.extras]
fast = ["delta (>=2)"]
[metadata]
lock-version = "2.1"
""",
    "requirements.txt": f"""
--index-url https://h.example/simple
# a comment
alpha_X[fast]==1.0 \\
    --hash=sha256:{ONE} \\
    --hash=sha256:{TWO}
    # via something
-e .
unpinned
""",
}


def hashes(lock: ProjectLock) -> dict[str, tuple[str, ...]]:
    return {
        f"{e.distribution.name} {e.distribution.version}": e.distribution.all_hashes for e in lock.entries
    }


@pytest.mark.parametrize("name", LOCKS)
def test_every_form_gives_the_same_distribution(name: str) -> None:
    lock = read_project_lock(name, LOCKS[name].encode())
    assert hashes(lock) == {"alpha-x 1.0": (f"sha256:{ONE}", f"sha256:{TWO}")}


def test_what_needs_what_is_told_where_the_form_has_it() -> None:
    expected = {"beta; sys_platform == 'win32'", "gamma[g]", "delta; extra == 'fast'"}
    for name in ("uv.lock", "poetry.lock"):
        (entry,) = read_project_lock(name, LOCKS[name].encode()).entries
        assert {text.replace('"', "'") for text in entry.requirements} == expected


def test_sources_that_are_no_index() -> None:
    text = f"""
version = 1
[[package]]
name = "a"
version = "1"
source = {{ git = "https://h.example/a?subdirectory=x&rev=main#{"c" * 40}" }}
[[package]]
name = "b"
version = "2"
source = {{ url = "https://h.example/b-2-py3-none-any.whl" }}
wheels = [{{ url = "https://h.example/b-2-py3-none-any.whl", hash = "sha256:{ONE}" }}]
[[package]]
name = "c"
version = "3"
source = {{ editable = "." }}
[[package]]
name = "d"
version = "4"
source = {{ registry = "../wheels" }}
resolution-markers = ["os_name == 'nt'", "os_name == 'java'"]
wheels = [{{ path = "d-4-py3-none-any.whl", hash = "sha256:{TWO}" }}]
"""
    a, b, c, d = (entry.distribution for entry in read_project_lock("uv.lock", text.encode()).entries)
    assert a.repository == Repository(
        kind="git", url="https://h.example/a", commit="c" * 40, subdirectory="x"
    )
    assert b.archive == LockedFile(
        name="b-2-py3-none-any.whl", hashes=(f"sha256:{ONE}",), url="https://h.example/b-2-py3-none-any.whl"
    )
    assert c.is_local
    assert not c.is_proven
    assert d.files[0].name == "d-4-py3-none-any.whl"
    assert (
        d.marker == '(os_name == "nt") or (os_name == "java")'
        or d.marker == 'os_name == "nt" or os_name == "java"'
    )


def test_a_repository_on_the_machine_is_a_folder_to_others() -> None:
    text = f'version = 1\n[[package]]\nname = "a"\nsource = {{ git = "file:///home/me/a#{"c" * 40}" }}\n'
    (entry,) = read_project_lock("uv.lock", text.encode()).entries
    assert (entry.distribution.repository, entry.distribution.is_local) == (None, True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uv.lock", "version = 2"),
        ("uv.lock", 'version = 1\n[[package]]\nname = "a"\nsource = {git = "https://h.example/a"}'),
        ("poetry.lock", "package = []"),
        ("requirements.txt", "numpy==1.0"),
        ("requirements.txt", f"numpy>=1.0 --hash=sha256:{ONE}"),
        ("pylock.toml", "\xff"),
    ],
)
def test_what_cannot_be_read_is_an_error(name: str, text: str) -> None:
    with pytest.raises(LockFormError):
        read_project_lock(name, text.encode("latin-1"))


def test_the_form_is_told_by_the_name() -> None:
    assert kind_of("pylock.cpu.toml") == "pylock.toml"
    assert kind_of("requirements/prod.lock") == "requirements.txt"
