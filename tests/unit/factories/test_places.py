"""Where files lie is learned only from one who has the same folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermpkg_build.factories import places as places_module
from hermpkg_build.factories.places import Place, Places


def test_what_another_knows_is_not_worked_out_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "site-packages/a.py")
    one, other = (Places(workspace_root="/w", search_path=[str(tmp_path / "site-packages")]) for _ in "ab")
    assert one.place_of(path) is Place.ENVIRONMENT
    other.learn_from(one)
    monkeypatch.setattr(places_module, "absolute_path", lambda _: pytest.fail("worked out again"))
    assert other.place_of(path) is Place.ENVIRONMENT


def test_of_other_folders_nothing_is_learned(tmp_path: Path) -> None:
    """A link leads elsewhere now."""
    link = tmp_path / "link"
    before = Places(workspace_root=str(link), search_path=[])
    path = str(tmp_path / "tree/a.py")
    assert before.place_of(path) is Place.ELSEWHERE
    (tmp_path / "tree").mkdir()
    link.symlink_to("tree")
    after = Places(workspace_root=str(link), search_path=[])
    after.learn_from(before)
    assert after.place_of(path) is Place.WORKSPACE
