"""What a rebuild varies: each condition on its own changes something, and nothing else changes."""

from __future__ import annotations

import os
import subprocess
import sys
import venv

import pytest

from hermpkg_build.inspection.verify.scratch_builds import copy_sources
from hermpkg_build.inspection.verify.varied_conditions import CONDITIONS, build_conditions


def fields(around):
    factory = around.factory
    values = {name: getattr(around, name) for name in around.__slots__}
    del values["factory"]
    return {**values, **{f"factory.{name}": getattr(factory, name) for name in factory.__slots__}}


def changed(varied, variant=1):
    usual, other = fields(build_conditions((), "/s")), fields(build_conditions(varied, "/s", variant))
    return {name for name in usual if usual[name] != other[name]}


@pytest.mark.parametrize("variant", [1, 2, 3])
@pytest.mark.parametrize("condition", CONDITIONS)
def test_each_changes_something_of_its_own(condition, variant):
    mine = changed([condition], variant)
    assert mine
    for other in CONDITIONS:
        if other != condition:
            assert not mine & changed([other], variant)


def test_all_together_are_the_sum():
    assert changed(CONDITIONS) == set().union(*(changed([name]) for name in CONDITIONS))
    assert changed(CONDITIONS) == set(fields(build_conditions((), "/s")))


@pytest.mark.parametrize("folder", ["plain", "für mich"])
def test_python_starts_under_each_locale_whatever_installs_have_put_on_its_path(
    tmp_path, monkeypatch, folder
):
    venv.create(tmp_path / "venv", symlinks=True)
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (site / "editable.pth").write_text(f"{tmp_path / folder}\n", encoding="utf-8")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv/bin/python"))
    usual = build_conditions((), "/s").factory.locale
    for variant in (1, 2, 3):
        locale = build_conditions(["locale"], "/s", variant).factory.locale
        assert locale != usual
        assert folder != "plain" or locale in ("C", "POSIX", "tr_TR.UTF-8")
        variables = {**os.environ, "LC_ALL": locale}
        subprocess.run([sys.executable, "-X", "utf8", "-c", ""], env=variables, check=True)


def tree(root):
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def test_copies_hold_what_builds_read(tmp_path):
    root, target = tmp_path / "root", tmp_path / "copy"
    for path in (
        "a/BUILD",
        "a/x.py",
        "hermpkg-out/a.pt",
        ".git/HEAD",
        "a/__pycache__/x.pyc",
        "venv/pyvenv.cfg",
        "venv/y",
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    (root / "link").symlink_to("a/x.py")
    (root / "bazel-out").symlink_to(tmp_path)
    os.utime(root / "a/x.py", (5, 5))
    copy_sources(str(root), str(target), backwards=True, age=None)
    assert tree(target) == {"a", "a/BUILD", "a/x.py", "link"}
    assert (target / "a/x.py").stat().st_mtime == 5
    assert os.readlink(target / "link") == "a/x.py"


def test_copies_have_the_times_asked_for(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root/x").write_text("x")
    copy_sources(str(tmp_path / "root"), str(tmp_path / "copy"), backwards=False, age=1000)
    assert 1000 <= (tmp_path / "copy/x").stat().st_mtime < 1010
    assert (tmp_path / "root/x").stat().st_mtime > 1010


def test_no_copy_into_itself(tmp_path):
    with pytest.raises(OSError, match="in the workspace itself"):
        copy_sources(str(tmp_path), str(tmp_path / "inside"), backwards=False, age=None)
