"""The commit of a build's files is told, and what of them is not as it has them; no setting of git runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.errors import CommandLineError, LocalEnvironmentError
from hermpkg_build.provenance.revision import public_url, revision_of

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A workspace in a folder of a checkout, with one commit."""
    top = tmp_path / "a checkout"
    root = top / "sub é"
    root.mkdir(parents=True)
    (root / "one.py").write_text("1\n")
    (root / "ünter.py").write_text("2\n")
    git(top, "init", "-q")
    git(top, "add", "-A")
    git(top, "commit", "-q", "-m", "first")
    return root


FILES = ["one.py", "ünter.py"]


def test_a_clean_checkout_is_its_commit(checkout: Path) -> None:
    (checkout / "of no use.txt").write_text("not asked about")
    found = revision_of(str(checkout), FILES)
    assert (found.commit, found.changed, found.url) == (git(checkout, "rev-parse", "HEAD"), (), "")


def test_what_is_changed_staged_new_or_gone_is_told(checkout: Path) -> None:
    (checkout / "one.py").write_text("9\n")
    git(checkout, "add", "-A")
    (checkout / "ünter.py").unlink()
    (checkout / ".gitignore").write_text("new.py\n")
    (checkout / "new.py").write_text("")
    found = revision_of(str(checkout), [*FILES, "new.py"])
    assert found.changed == ("new.py", "one.py", "ünter.py")


def test_a_linked_working_tree(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "worktree", "add", "-q", str(tmp_path / "linked"))
    root = tmp_path / "linked" / "sub é"
    (root / "one.py").write_text("9\n")
    assert revision_of(str(root), FILES).changed == ("one.py",)


def test_no_setting_of_the_checkout_runs(checkout: Path, tmp_path: Path) -> None:
    mark, program = tmp_path / "mark", tmp_path / "evil"
    program.write_text(f"#!/bin/sh\ntouch '{mark}'\ncat\n")
    program.chmod(0o755)
    for name in ("core.fsmonitor", "filter.x.clean", "filter.x.process", "core.pager", "core.sshCommand"):
        git(checkout, "config", name, str(program))
    (checkout / ".gitattributes").write_text("* filter=x\n")
    (checkout / "one.py").write_text("9\n")
    mark.unlink(missing_ok=True)
    assert revision_of(str(checkout), FILES).changed == ("one.py",)
    assert not mark.exists()
    # The control: git itself runs them.
    subprocess.run(["git", "status"], cwd=checkout, capture_output=True, check=False)
    assert mark.exists()


def test_a_remote_is_told_without_credentials_and_only_where_it_is_a_server(checkout: Path) -> None:
    git(checkout, "remote", "add", "origin", "https://ada:secret@git.example.org/net.git")
    git(checkout, "remote", "add", "here", "/srv/net.git")
    assert revision_of(str(checkout), FILES, remote="origin").url == "git+https://git.example.org/net.git"
    for name in ("here", "none", "--system"):
        with pytest.raises(CommandLineError):
            revision_of(str(checkout), FILES, remote=name)


def test_where_there_is_no_commit_or_no_git_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    with pytest.raises(CommandLineError, match="git knows no revision"):
        revision_of(str(tmp_path), [])
    git(tmp_path, "init", "-q")
    with pytest.raises(CommandLineError, match="git knows no revision"):
        revision_of(str(tmp_path), [])
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    with pytest.raises(LocalEnvironmentError, match="git cannot be asked"):
        revision_of(str(tmp_path), [])


@given(st.text(max_size=40), st.sampled_from(["https://", "ssh://", "git://", ""]))
def test_no_address_keeps_a_user_or_a_query(text: str, scheme: str) -> None:
    url = public_url(f"{scheme}ada:secret@{text}")
    assert "secret@" not in url.partition("/")[2].partition("/")[2].partition("/")[0]
    assert os.sep != url[:1]
