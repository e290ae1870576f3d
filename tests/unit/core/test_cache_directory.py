"""The default place of the cache."""

from __future__ import annotations

import os

import pytest

from hermpkg_build.core.cache_directory import default_cache_directory


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
