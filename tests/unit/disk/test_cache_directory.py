"""The default place of the cache."""

from __future__ import annotations

import os

import pytest

from hermpkg_build.disk.cache_directory import default_cache_directory


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({"HOME": "/home/a b"}, "linux", "/home/a b/.cache/hermpkg"),
        ({"HOME": "/Users/a"}, "darwin", "/Users/a/Library/Caches/hermpkg"),
        ({"HOME": "/home/a", "XDG_CACHE_HOME": "/x/c"}, "linux", "/x/c/hermpkg"),
        ({"HOME": "/home/a", "XDG_CACHE_HOME": "relative"}, "linux", "/home/a/.cache/hermpkg"),
        ({"HOME": "/home/a", "XDG_CACHE_HOME": ""}, "linux", "/home/a/.cache/hermpkg"),
        ({"HOME": "/Users/a", "XDG_CACHE_HOME": "/x"}, "darwin", "/x/hermpkg"),
        ({"HOME": "/home/a", "XDG_CACHE_HOME": "/x", "HERMPKG_CACHE_DIR": "/mine"}, "linux", "/mine"),
        ({"HOME": "/home/a", "HERMPKG_CACHE_DIR": ""}, "linux", "/home/a/.cache/hermpkg"),
    ],
)
def test_the_first_that_is_set_decides(environ: dict[str, str], platform: str, expected: str) -> None:
    assert default_cache_directory(environ, platform=platform) == expected


def test_a_relative_choice_is_relative_to_the_current_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert default_cache_directory({"HERMPKG_CACHE_DIR": "here"}) == "/here"


def test_a_tilde_that_no_shell_expanded_is_the_home() -> None:
    expected = os.path.join(os.path.expanduser("~"), "cache")
    assert default_cache_directory({"HERMPKG_CACHE_DIR": "~/cache"}) == expected


def test_without_a_home_there_is_still_a_place() -> None:
    assert os.path.isabs(default_cache_directory({}))


def test_for_a_user_without_a_home_no_folder_called_tilde_is_made(monkeypatch):
    def unknown(_):
        raise KeyError("uid not found")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert default_cache_directory({}, platform="linux") == "/nonexistent/.cache/hermpkg"


@pytest.fixture
def homes(tmp_path, monkeypatch):
    """A home that others can write to, as a stranger's is, and the one that the system knows of this user."""
    for name in ("strangers", "own"):
        (tmp_path / name).mkdir()
    (tmp_path / "strangers").chmod(0o777)

    class Entry:
        pw_name = "someone"
        pw_dir = str(tmp_path / "own")

    monkeypatch.setattr("pwd.getpwuid", lambda _: Entry)
    return tmp_path


def test_in_the_home_of_another_user_the_own_home_counts(homes, monkeypatch):
    environ = {"HOME": str(homes / "strangers")}
    assert default_cache_directory(environ, platform="linux") == f"{homes}/own/.cache/hermpkg"
    assert (
        default_cache_directory({"HOME": f"{homes}/own"}, platform="linux") == f"{homes}/own/.cache/hermpkg"
    )
    # Not where the user says otherwise.
    assert (
        default_cache_directory({**environ, "HERMPKG_CACHE_DIR": f"{homes}/strangers/c"})
        == f"{homes}/strangers/c"
    )
    monkeypatch.setenv("HERMPKG_TRUST", str(homes / "strangers"))
    assert default_cache_directory(environ, platform="linux") == f"{homes}/strangers/.cache/hermpkg"


def test_where_the_own_home_is_not_safe_either_the_first_stays(homes):
    (homes / "own").chmod(0o777)
    environ = {"HOME": str(homes / "strangers")}
    assert default_cache_directory(environ, platform="linux") == f"{homes}/strangers/.cache/hermpkg"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_in_the_home_of_another_user(homes):
    os.chown(homes / "strangers", 12345, 12345)
    (homes / "strangers").chmod(0o755)
    environ = {"HOME": str(homes / "strangers")}
    assert default_cache_directory(environ, platform="linux") == f"{homes}/own/.cache/hermpkg"
