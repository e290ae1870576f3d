"""The environment of an artifact: what is installed decides, the lock adds hashes and other platforms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker

from hermpkg_build.analysis.distributions import Distributions
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.environment.closure import Closure, environment_of
from hermpkg_build.environment.conditions import Way, marker_of, with_way
from hermpkg_build.environment.project_lock import read_project_lock

ONE, TWO = "1" * 64, "2" * 64


@pytest.fixture
def site(tmp_path: Path) -> Path:
    install(
        tmp_path,
        "app",
        "1.0",
        "lib>=2",
        "extra[fast]",
        "Win.Only; sys_platform == 'win32'",
        "t; extra == 'test'",
    )
    install(tmp_path, "lib", "2.1", "leaf", "app")
    install(
        tmp_path, "extra", "3.0", "leaf; extra == 'other'", "speed; python_version > '3' and extra == 'fast'"
    )
    install(tmp_path, "speed", "4.0")
    install(tmp_path, "leaf", "5.0")
    install(tmp_path, "t", "6.0")
    install(tmp_path, "stranger", "7.0")
    return tmp_path


def install(site: Path, name: str, version: str, *requires: str, direct_url: object = None) -> None:
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir()
    lines = "".join(f"Requires-Dist: {each}\n" for each in requires)
    (folder / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n{lines}\nRequires-Dist: no\n")
    if direct_url is not None:
        (folder / "direct_url.json").write_text(json.dumps(direct_url))


def closed(site: Path, lock: str = "", *, roots: tuple[str, ...] = ("app",), urls: bool = False) -> Closure:
    project = read_project_lock({"pylock.toml": ('lock-version = "1.0"\n' + lock).encode()}) if lock else None
    return environment_of(roots, Distributions([str(site)], SourceTree()), project, urls=urls)


def locked(name: str, version: str, digest: str = ONE) -> str:
    file = f"{name}-{version}-py3-none-any.whl"
    return (
        f'[[packages]]\nname = "{name}"\nversion = "{version}"\n'
        f'wheels = [{{url = "https://h.example/{file}", hashes = {{sha256 = "{digest}"}}}}]\n'
    )


def test_all_that_is_needed_is_in_it_and_nothing_else(site: Path) -> None:
    found = closed(site)
    assert [(d.name, d.version, d.marker) for d in found.environment.distributions] == [
        ("app", "1.0", ""),
        ("extra", "3.0", ""),
        ("leaf", "5.0", ""),
        ("lib", "2.1", ""),
        ("speed", "4.0", 'python_version > "3"'),
    ]
    assert found.disagreements == ()
    assert not any(d.is_proven for d in found.environment.distributions)


def test_the_lock_adds_hashes_and_other_platforms_and_no_addresses(site: Path) -> None:
    lock = "".join(map(locked, ["app", "lib", "win-only", "stranger"], ["1.0", "2.1", "9.0", "7.0"]))
    found = {d.name: d for d in closed(site, lock).environment.distributions}
    assert found["lib"].all_hashes == (f"sha256:{ONE}",)
    assert found["lib"].files[0].url == ""
    assert (found["win-only"].version, found["win-only"].marker) == ("9.0", 'sys_platform == "win32"')
    assert "stranger" not in found
    told = {d.name: d for d in closed(site, lock, urls=True).environment.distributions}
    assert told["lib"].files[0].url == "https://h.example/lib-2.1-py3-none-any.whl"


def test_an_unrelated_entry_of_the_lock_changes_nothing(site: Path) -> None:
    lock = locked("app", "1.0")
    assert closed(site, lock).environment == closed(site, lock + locked("stranger", "8.0")).environment
    assert closed(site, lock).environment != closed(site, locked("app", "1.0", TWO)).environment


def test_what_is_installed_is_recorded_where_the_lock_disagrees(site: Path) -> None:
    found = closed(site, locked("app", "1.0") + locked("lib", "2.2"))
    recorded = {d.name: d for d in found.environment.distributions}
    assert recorded["lib"].version == "2.1"
    assert not recorded["lib"].is_proven
    assert "lib: 2.1 is installed, the lock has 2.2" in map(str, found.disagreements)
    assert "leaf: 5.0 is installed, the lock has none" in map(str, found.disagreements)
    assert not any(each.name == "app" for each in found.disagreements)


def test_versions_of_other_places_stay_beside_the_one_that_is_here(site: Path) -> None:
    here, there = locked("leaf", "5.0"), locked("leaf", "4.9", TWO)
    lock = (
        here + "marker = \"sys_platform != 'darwin'\"\n" + there + "marker = \"sys_platform == 'darwin'\"\n"
    )
    found = closed(site, lock).environment.distributions
    assert [(d.version, d.marker) for d in found if d.name == "leaf"] == [
        ("4.9", 'sys_platform == "darwin"'),
        ("5.0", 'sys_platform != "darwin"'),
    ]


@pytest.mark.parametrize(
    ("stated", "proven", "local"),
    [
        ({"url": "file:///secret/own-1.whl", "archive_info": {"hashes": {"sha256": ONE}}}, True, False),
        ({"url": "https://u:p@h.example/own-1.whl", "archive_info": {"hash": f"sha256={ONE}"}}, True, False),
        ({"url": "https://u:p@h.example/x", "vcs_info": {"vcs": "git", "commit_id": "c" * 40}}, True, False),
        ({"url": "file:///secret/own", "dir_info": {"editable": True}}, False, True),
        ({"url": 7}, False, False),
        ({"url": "file:///x/own-1.whl", "archive_info": {}}, False, False),
        ([], False, False),
    ],
)
def test_what_installers_note_proves_what_is_installed(
    tmp_path: Path, stated: object, proven: bool, local: bool
) -> None:
    install(tmp_path, "own", "1", direct_url=stated)
    (found,) = closed(tmp_path, roots=("own",)).environment.distributions
    assert (found.is_proven, found.is_local) == (proven, local)
    assert "secret" not in repr(found)
    assert "u:p" not in repr(found)


def test_another_file_of_the_same_version_is_a_disagreement(tmp_path: Path) -> None:
    noted = {"url": "file:///x/own-1-py3-none-any.whl", "archive_info": {"hashes": {"sha256": TWO}}}
    install(tmp_path, "own", "1", direct_url=noted)
    found = closed(tmp_path, locked("own", "1"), roots=("own",))
    assert [each.name for each in found.disagreements] == ["own"]
    assert found.environment.distributions[0].all_hashes == (f"sha256:{TWO}",)


ways = st.frozensets(st.sampled_from("abcd"), max_size=3)


@given(st.lists(ways, min_size=1, max_size=12), st.sets(st.sampled_from("abcd")))
def test_a_way_that_is_open_stays_open(given_ways: list[Way], holds: set[str]) -> None:
    """Whatever holds where it lands: a distribution that one of the ways leads to is never left out."""
    kept: frozenset[Way] = frozenset()
    for way in given_ways:
        kept = with_way(kept, way) or kept
    is_open = any(way <= holds for way in given_ways)
    assert any(way <= holds for way in kept) or not is_open
    if len(set(given_ways)) <= 8:
        assert any(way <= holds for way in kept) == is_open
        text = marker_of(kept)
        assert (not text or eval(text, {each: each in holds for each in "abcd"})) == is_open


CONDITIONS = (
    'os_name == "nt"',
    'os_name == "nt" or sys_platform == "linux"',
    'os_name == "nt" and sys_platform == "linux"',
    '(os_name == "nt" or sys_platform == "linux") and python_version < "3.12"',
)
conditions = st.frozensets(st.sampled_from(CONDITIONS), max_size=3)


@given(st.lists(conditions, min_size=1, max_size=3), st.sampled_from(["", *CONDITIONS]))
def test_markers_have_the_form_that_reading_them_gives(given_ways: list[Way], also: str) -> None:
    """Else `verify` finds other bytes in an environment than hermpkg writes."""
    text = marker_of(given_ways, also)
    assert not text or str(Marker(text)) == text


@pytest.mark.parametrize("marker", ["", "marker = \"python_version > '3'\"\n"])
def test_where_two_versions_are_for_the_same_place_the_installed_one_is_recorded(
    site: Path, marker: str
) -> None:
    lock = locked("leaf", "5.0") + marker + locked("leaf", "5.0+gpu", TWO) + marker
    found = [d for d in closed(site, lock).environment.distributions if d.name == "leaf"]
    assert [(d.version, d.all_hashes) for d in found] == [("5.0", (f"sha256:{ONE}",))]


def test_what_is_installed_is_needed_whatever_extras_its_lock_asks_for(site: Path) -> None:
    lock = locked("leaf", "5.0") + "marker = \"'x' in extras\"\n" + locked("leaf", "5.1", TWO)
    lock += "marker = \"'y' in extras\"\n"
    found = [d for d in closed(site, lock).environment.distributions if d.name == "leaf"]
    assert [(d.version, d.marker) for d in found] == [("5.0", ""), ("5.1", '"y" in extras')]
