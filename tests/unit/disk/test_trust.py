"""What other users can change is told from what they cannot, and folders that the user names are trusted."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from hermpkg_build.disk.output_folders import check_no_link
from hermpkg_build.disk.trust import VARIABLE, is_own, is_trusted, stranger_in
from hermpkg_build.errors import WorkspaceError
from hermpkg_build.generate.hermetic_check import without_policies


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "outer" / "inner"
    made.mkdir(parents=True)
    return made


def test_a_folder_of_this_user_is_nobody_elses(folder: Path) -> None:
    assert stranger_in(str(folder)) == ""
    assert stranger_in(str(folder / "not" / "made")) == ""
    folder.chmod(0o775)
    assert stranger_in(str(folder)) == ""


@pytest.mark.parametrize("given", ["outer/inner", "outer", "outer/inner/deep"])
def test_who_owns_a_folder_or_one_above_can_exchange_it(
    given: str, folder: Path, tmp_path: Path, give_away
) -> None:
    (folder / "deep").mkdir()
    give_away(tmp_path / given)
    assert str(tmp_path / given) in stranger_in(str(folder / "deep" / "cache"))


def test_a_link_is_followed_to_its_owner(folder: Path, tmp_path: Path, give_away) -> None:
    (tmp_path / "link").symlink_to(folder)
    give_away(folder)
    assert str(folder) in stranger_in(str(tmp_path / "link" / "cache"))


def test_where_everyone_writes_only_the_sticky_bit_protects(folder: Path) -> None:
    outer = folder.parent
    outer.chmod(0o777)
    assert "everyone can write" in stranger_in(str(folder))
    outer.chmod(0o1777)
    assert stranger_in(str(folder)) == ""
    assert "everyone can write" in stranger_in(str(outer))


def test_files_of_who_called_sudo_are_their_own(
    folder: Path, give_away, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = give_away(folder)
    assert not is_own(status)
    monkeypatch.setenv("SUDO_UID", str(status.st_uid))
    assert is_own(status)
    monkeypatch.setattr(os, "geteuid", lambda: status.st_uid + 1)
    assert not is_own(status)


def test_trust_is_for_named_folders_and_what_lies_below(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_trusted(str(folder))
    monkeypatch.setenv(VARIABLE, f"relative:/nonexistent:{tmp_path}/outer/")
    assert is_trusted(str(folder))
    assert is_trusted(str(tmp_path / "outer"))
    assert not is_trusted(str(tmp_path / "outer-other"))
    assert not is_trusted(str(tmp_path))
    monkeypatch.setenv(VARIABLE, "/")
    assert is_trusted(str(tmp_path))


def test_no_link_is_gone_through_unless_the_workspace_is_trusted(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_no_link(str(tmp_path), "outer/inner/new/deep")
    shutil.rmtree(folder)
    folder.symlink_to(tmp_path)
    with pytest.raises(WorkspaceError, match="symbolic link") as caught:
        check_no_link(str(tmp_path), "outer/inner/new/deep")
    assert ("link", str(folder)) in caught.value.facts
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    check_no_link(str(tmp_path), "outer/inner/new/deep")


def test_a_policy_is_no_trusted_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"{tmp_path}/a{os.pathsep}{tmp_path}/trust.toml")
    assert is_trusted(f"{tmp_path}/a/b")
    assert not is_trusted(f"{tmp_path}/trust.toml")
    assert without_policies(os.environ)[VARIABLE] == f"{tmp_path}/a"
    monkeypatch.setenv(VARIABLE, "trust.toml")
    assert VARIABLE not in without_policies(os.environ)
    assert without_policies({"A": "b"}) == {"A": "b"}
