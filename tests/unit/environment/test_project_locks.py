"""Locks of projects: the same distributions, whichever tool wrote them."""

from __future__ import annotations

import pytest

from hermpkg_build.environment.locked import LockedDistribution, LockedFile, Repository
from hermpkg_build.environment.project_lock import ProjectLock, kind_of, read_project_lock
from hermpkg_build.environment.requirements_file import with_included
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
    lock = read_project_lock({name: LOCKS[name].encode()})
    assert hashes(lock) == {"alpha-x 1.0": (f"sha256:{ONE}", f"sha256:{TWO}")}


def test_what_needs_what_is_told_where_the_form_has_it() -> None:
    expected = {"beta; sys_platform == 'win32'", "gamma[g]", "delta; extra == 'fast'"}
    for name in ("uv.lock", "poetry.lock"):
        (entry,) = read_project_lock({name: LOCKS[name].encode()}).entries
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
    a, b, c, d = (entry.distribution for entry in read_project_lock({"uv.lock": text.encode()}).entries)
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
    (entry,) = read_project_lock({"uv.lock": text.encode()}).entries
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
        read_project_lock({name: text.encode("latin-1")})


def test_the_form_is_told_by_the_name() -> None:
    assert kind_of("pylock.cpu.toml") == "pylock.toml"
    assert kind_of("requirements/prod.lock") == "requirements.txt"


def test_what_a_file_of_requirements_includes_is_part_of_it() -> None:
    one, two = f"one==1 --hash=sha256:{ONE}\n", f"two==2 \\\n  --hash sha256:{TWO}\n"
    files = {
        "locks/main.txt": b"-r all.txt # both\n--constraint=../two.txt\n-r sub/../all.txt\n",
        "locks/all.txt": f"-rmain.txt\n--requirement '../o ne.txt'\n{two}".encode(),
        "o ne.txt": one.encode(),
        "two.txt": two.encode(),
    }
    found = with_included("locks/main.txt", files.__getitem__)
    assert found == files
    assert hashes(read_project_lock(found)) == {"one 1": (f"sha256:{ONE}",), "two 2": (f"sha256:{TWO}",)}
    assert len(read_project_lock(found).entries) == 2


@pytest.mark.parametrize("line", ["-r https://h.example/x", "-c /etc/x.txt", "-r ${X}/y", "-r file:x"])
def test_what_is_included_is_a_file_of_the_project(line: str) -> None:
    with pytest.raises(LockFormError, match=r"a, line 2: .* is no path from this file"):
        with_included("a", {"a": b"\n" + line.encode()}.__getitem__)


COMMIT = "c" * 40
DIRECT = {
    f"a @ https://u:p@h.example/A-1.0-py3-none-any.whl?t=1 --hash=sha256:{ONE}": LockedDistribution(
        name="a",
        version="1.0",
        archive=LockedFile(
            name="A-1.0-py3-none-any.whl",
            hashes=(f"sha256:{ONE}",),
            url="https://h.example/A-1.0-py3-none-any.whl",
        ),
    ),
    f"https://h.example/b-2.tar.gz#sha256={TWO}": LockedDistribution(
        name="b",
        version="2",
        archive=LockedFile(name="b-2.tar.gz", hashes=(f"sha256:{TWO}",), url="https://h.example/b-2.tar.gz"),
    ),
    f"./wheels/b-2-py3-none-any.whl --hash='sha256:{TWO}'": LockedDistribution(
        name="b", version="2", files=(LockedFile(name="b-2-py3-none-any.whl", hashes=(f"sha256:{TWO}",)),)
    ),
    f"C[x] @ git+ssh://git:p@h.example/c@{COMMIT}#subdirectory=x ; os_name == 'nt'": LockedDistribution(
        name="c",
        version="",
        marker='os_name == "nt"',
        repository=Repository(kind="git", url="ssh://git@h.example/c", commit=COMMIT, subdirectory="x"),
    ),
    f"git+file:///home/me/d@{COMMIT}#egg=d": LockedDistribution(name="d", version="", is_local=True),
    f"e===1.0 --config-settings=x=y --hash=sha256:{ONE}": LockedDistribution(
        name="e", version="1.0", hashes=(f"sha256:{ONE}",)
    ),
}


@pytest.mark.parametrize("line", DIRECT)
def test_requirements_that_name_files_and_commits(line: str) -> None:
    (entry,) = read_project_lock({"requirements.txt": line.encode()}).entries
    assert entry.distribution == DIRECT[line]


def test_sources_of_poetry() -> None:
    text = f"""
[[package]]
name = "a"
version = "1"
[package.source]
type = "git"
url = "git@h.example:team/a.git"
reference = "main"
resolved_reference = "{COMMIT}"
[[package]]
name = "b"
version = "2"
[package.source]
type = "url"
url = "https://u:token@h.example/b-2.tar.gz"
[[package]]
name = "c"
version = "3"
[metadata.files]
b = [{{file = "b-2.tar.gz", hash = "sha256:{ONE}"}}]
c = [{{file = "c-3-py3-none-any.whl", hash = "sha256:{TWO}"}}]
"""
    a, b, c = (entry.distribution for entry in read_project_lock({"poetry.lock": text.encode()}).entries)
    assert a.repository == Repository(kind="git", url="ssh://git@h.example/team/a.git", commit=COMMIT)
    assert b.archive == LockedFile(
        name="b-2.tar.gz", hashes=(f"sha256:{ONE}",), url="https://h.example/b-2.tar.gz"
    )
    assert c.all_hashes == (f"sha256:{TWO}",)


@pytest.mark.parametrize("name", ["uv.lock", "pylock.toml"])
def test_no_record_has_what_opens_a_server(name: str) -> None:
    head = "version = 1\n[[package]]" if name == "uv.lock" else 'lock-version = "1.0"\n[[packages]]'
    secret = "https://ada:secret@h.example"
    file = f'{{url = "{secret}/a-1.tar.gz?secret=1", hash = "sha256:{ONE}", hashes = {{sha256 = "{ONE}"}}}}'
    repository = f'{{type = "git", url = "{secret}/a", commit-id = "{COMMIT}"}}'
    sources = [
        f'source = {{git = "{secret}/a#{COMMIT}"}}\nvcs = {repository}',
        f'source = {{url = "{secret}/a-1.tar.gz"}}\nsdist = {file}\narchive = {file}',
        f'source = {{registry = "{secret}/simple"}}\nsdist = {file}',
    ]
    for source in sources:
        data = f'{head}\nname = "a"\nversion = "1"\n{source}\n'.encode()
        (entry,) = read_project_lock({name: data}).entries
        assert entry.distribution.is_proven
        assert "secret" not in repr(entry)
        assert "h.example" in repr(entry)
