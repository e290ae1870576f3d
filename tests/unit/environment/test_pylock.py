"""The form that environments are recorded in: an inverse, and what others read as PEP 751."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.core.toml_text import parse_toml
from hermpkg_build.environment.locked import (
    LockedDistribution,
    LockedFile,
    Repository,
    locked_environment,
    ordered_files,
    strong_hashes,
)
from hermpkg_build.environment.pylock import parse_pylock, pylock_text
from hermpkg_build.environment.toml_fields import LockFormError, usual_marker

hashes = st.lists(
    st.tuples(
        st.sampled_from([("sha256", 64), ("sha384", 96)]),
        st.text("0123456789abcdef", min_size=96, max_size=96),
    ),
    min_size=1,
    max_size=2,
    unique_by=lambda each: each[0][0],
).map(lambda found: strong_hashes(f"{kind}:{text[:length]}" for (kind, length), text in found))
names = st.from_regex(r"[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,3})?", fullmatch=True)
versions = st.sampled_from(["1", "1.0", "2.13.0+cpu", "1!3.0.post1", "2026.9"])
markers = st.sampled_from(
    ["", "sys_platform == 'win32'", "python_version < '3.11' or (os_name == 'nt' and extra == 'a')"]
).map(lambda text: usual_marker(text, ValueError) if text else "")


@st.composite
def distributions(draw: st.DrawFn) -> LockedDistribution:
    name, version = draw(names), draw(versions)
    module = name.replace("-", "_")
    kind = draw(st.sampled_from(["files", "hashes", "archive", "repository", "local", "nothing"]))
    wheel = f"{module}-{version}-py3-none-{draw(st.sampled_from(['any', 'win32']))}.whl"
    place = draw(st.sampled_from(["", "https://host.example/a%20b/"]))
    wheel_file = LockedFile(
        name=wheel,
        hashes=draw(hashes),
        size=draw(st.integers(0, 9)),
        url=place and f"{place}{wheel.replace('+', '%2B')}",
    )
    source = LockedFile(name=f"{module}-{version}.tar.gz", hashes=draw(hashes))
    archive = LockedFile(
        name=wheel, hashes=draw(hashes), url=f"https://host.example/{wheel.replace('+', '%2B')}"
    )
    return LockedDistribution(
        name=name,
        version=version,
        marker=draw(markers),
        requires_python=draw(st.sampled_from(["", ">=3.10"])),
        files=ordered_files([wheel_file, source]) if kind == "files" else (),
        hashes=draw(hashes) if kind == "hashes" else (),
        archive=archive if kind == "archive" else None,
        repository=Repository(kind="git", url="https://host.example/x", commit="a" * 40, subdirectory="é")
        if kind == "repository"
        else None,
        is_local=kind == "local",
    )


@given(st.lists(distributions(), max_size=4))
def test_reading_is_the_inverse_of_printing(given: list[LockedDistribution]) -> None:
    environment = locked_environment(given)
    text = pylock_text(environment)
    assert parse_pylock(text.encode()) == environment
    assert pylock_text(locked_environment(reversed(given))) == text


@given(st.lists(distributions(), max_size=3))
def test_others_read_it(given: list[LockedDistribution]) -> None:
    pylock = pytest.importorskip("packaging.pylock")
    environment = locked_environment(given)
    read = pylock.Pylock.from_dict(parse_toml(pylock_text(environment)))
    proven = [each for each in environment.distributions if each.files or each.archive or each.repository]
    assert [package.name for package in read.packages] == [each.name for each in proven]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("packages = 1", "lock-version"),
        ('lock-version = "2.0"', "lock-version"),
        ('lock-version = "1.0"\npackages = 1', "packages"),
        ('lock-version = "1.0"\n[[packages]]\nname = "a b"', "packages[0].name"),
        ('lock-version = "1.0"\n[[packages]]\nname = "a"\nversion = "1\\n--index-url=x"', "version"),
        ('lock-version = "1.0"\n[[packages]]\nname = "a"\nmarker = "nonsense"', "marker"),
        (
            'lock-version = "1.0"\n[[packages]]\nname = "a"\nwheels = [{path = "../a;b.whl"}]',
            "packages[0].wheels[0]",
        ),
        ('lock-version = "1.0"\n[[packages]]\nname = "a"\nvcs = {type = "git"}', "vcs"),
        (
            (
                'lock-version = "1.0"\n[[packages]]\nname = "a"\n'
                'vcs = {type = "git", url = "https://h/a\\u2028--index-url=x", commit-id = "c"}'
            ),
            "vcs.url",
        ),
        (
            (
                'lock-version = "1.0"\n[[packages]]\nname = "a"\n'
                'vcs = {type = "git", url = "https://h/${SECRET}", commit-id = "c"}'
            ),
            "vcs.url",
        ),
        ("a = [", "TOML"),
    ],
)
def test_what_is_not_well_formed_is_told_with_its_place(text: str, place: str) -> None:
    with pytest.raises(LockFormError) as error:
        parse_pylock(text.encode())
    assert place in str(error.value)
