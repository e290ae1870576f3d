"""Releases are cut whole or not at all, and refused with every reason when something is not in step."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

FILES = (
    "hermpkg_build/version.py",
    "hermpkg_build/build_version.py",
    "MODULE.bazel",
    "CITATION.cff",
    "Dockerfile",
)


@pytest.fixture
def release(program):
    return program("release")


class Maker:
    """Makes nothing of a checkout, and remembers what the checkout was."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.seen: list[str] = []

    def __call__(self, tree: Path, folder: Path) -> None:
        self.seen.append((tree / "hermpkg_build/version.py").read_text())
        if self.fails:
            raise subprocess.CalledProcessError(1, "twine")


def refused(release, checkout, version: str, **options: bool) -> str:
    """All reasons why not; nothing was changed, and nothing was made."""
    before, maker = checkout.state(), Maker()
    with pytest.raises(release.ReleaseError) as caught:
        release.release(checkout.root, version, dry_run=options.get("dry_run", False), make=maker)
    assert checkout.state() == before
    assert not maker.seen
    return "\n".join(caught.value.args)


def test_a_release_is_a_commit_and_a_tag_with_the_version_everywhere(release, program, checkout, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    maker = Maker()
    release.release(checkout.root, "0.4.0", dry_run=False, make=maker)
    assert {place.version for place in program("versions").version_places(checkout.root)} == {"0.4.0"}
    assert "## [Unreleased]\n\n## [0.4.0] - 2023-11-14\n\n### Added\n\n- One.\n" in checkout.read(
        "CHANGELOG.md"
    )
    assert checkout.git("log", "-1", "--format=%s %an") == "Release 0.4.0 A name"
    assert checkout.git("describe", "--exact-match") == "v0.4.0"
    assert checkout.git("rev-parse", "--abbrev-ref", "HEAD") == "main"
    assert checkout.git("status", "--porcelain") == ""
    assert len(checkout.git("worktree", "list").splitlines()) == 1
    assert maker.seen == [
        '"""The version of this distribution, which artifacts and keys carry."""\n\n__version__ = "0.4.0"\n'
    ]
    assert "says nothing below ## [Unreleased]" in refused(release, checkout, "0.5.0")


def test_the_version_of_the_checkout_is_the_default_where_it_is_not_released(release, checkout):
    release.release(checkout.root, "", dry_run=False, make=Maker())
    assert checkout.git("describe") == "v0.3.0"
    assert "0.3.0 is released" in refused(release, checkout, "")


def test_a_dry_run_makes_all_files_and_changes_nothing(release, checkout, capsys):
    before, maker = checkout.state(), Maker()
    release.release(checkout.root, "0.4.0", dry_run=True, make=maker)
    assert '"0.4.0"' in maker.seen[0]
    assert checkout.state() == before
    told = capsys.readouterr().out
    assert all(file in told for file in FILES)
    assert "0.4.0 could be released" in told


def test_an_interrupted_release_leaves_the_checkout_as_it_was(release, checkout, monkeypatch, capsys):
    before = checkout.state()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(release, "CHECKOUT", checkout.root)
    monkeypatch.setattr(release, "_make", interrupted)
    assert release.main(["0.4.0"]) == 130
    assert "the checkout is as it was" in capsys.readouterr().err
    assert checkout.state() == before


def test_files_that_a_tool_refuses_leave_the_checkout_as_it_was(release, checkout):
    before = checkout.state()
    with pytest.raises(subprocess.CalledProcessError):
        release.release(checkout.root, "0.4.0", dry_run=False, make=Maker(fails=True))
    assert checkout.state() == before


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("0.2.0", "0.2.0 is not greater than 0.2.0, which is released"),
        ("0.1.9", "0.1.9 is not greater than 0.2.0"),
        ("0.3.0rc1", "0.3.0rc1 is less than 0.3.0, the version of this checkout"),
        ("0.4", "0.4 is not written as releases are -> 0.4.0"),
        ("v0.4.0", "v0.4.0 is not written as releases are -> 0.4.0"),
        ("0.4.0+local", "not written as releases are"),
        ("next", "'next' is no version"),
        ("--force", "'--force' is no version"),
    ],
)
def test_versions_that_are_refused(release, checkout, version, reason):
    assert reason in refused(release, checkout, version)


def test_all_reasons_are_told_at_once(release, checkout):
    checkout.write("MODULE.bazel", checkout.read("MODULE.bazel").replace("0.3.0", "0.2.9"))
    checkout.write("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n\n### Added\n")
    checkout.commit()
    checkout.git("tag", "v0.4.0")
    checkout.write("stray.txt", "")
    checkout.git("checkout", "--quiet", "--detach")
    told = refused(release, checkout, "0.4.0")
    assert "not committed: ?? stray.txt" in told
    assert "no branch is checked out" in told
    assert "there is a tag v0.4.0 already" in told
    assert "MODULE.bazel:5: 0.2.9, but hermpkg_build/version.py says 0.3.0" in told
    assert "0.4.0 is not greater than 0.4.0, which is released" in told
    assert "CHANGELOG.md says nothing below ## [Unreleased]" in told
    assert "no branch" not in refused(release, checkout, "0.4.0", dry_run=True)


def test_pages_that_name_another_version_are_refused(release, checkout):
    page = "docs/how-to/check-reproducibility-in-ci.md"
    checkout.write(page, checkout.read(page).replace("hermpkg@v0.3.0", "hermpkg@v0.2.0", 1))
    checkout.commit()
    assert f"{page}:" in refused(release, checkout, "0.4.0")


def test_a_changelog_without_its_section_is_refused(release, checkout):
    checkout.write("CHANGELOG.md", "# Changelog\n")
    checkout.commit()
    assert "has no section ## [Unreleased]" in refused(release, checkout, "0.4.0")


def test_the_command_tells_reasons_and_no_traceback(release, capsys, monkeypatch, checkout):
    monkeypatch.setattr(release, "CHECKOUT", checkout.root)
    assert release.main(["0.1.0"]) == 1
    assert capsys.readouterr().err.startswith("make release: 0.1.0 is not greater")


# The versions and the changelog.


def test_every_place_names_the_version_of_the_one_source(program, repository):
    places = list(program("versions").version_places(repository))
    assert {place.version for place in places} == {program("split").version_of(repository)}, places
    named = {place.file for place in places}
    assert {*FILES, "docs/how-to/check-reproducibility-in-ci.md", ".gitlab/verify.yml"} <= named


def test_what_is_set_is_found_again_and_nothing_else_is_changed(program, checkout):
    versions = program("versions")
    before = {place.file: checkout.read(place.file) for place in versions.version_places(checkout.root)}
    for version in ("10.20.30", "1.0.0rc1", "0.3.0"):
        versions.set_version(checkout.root, version)
        assert {place.version for place in versions.version_places(checkout.root)} == {version}
    assert {file: checkout.read(file) for file in before} == before


def test_a_file_that_names_no_version_is_told(program, checkout):
    checkout.write("CITATION.cff", "title: none\n")
    (place,) = [each for each in program("versions").version_places(checkout.root) if each.version != "0.3.0"]
    assert (place.file, place.version) == ("CITATION.cff", "")


def test_sections_of_the_changelog_are_cut_and_read(program, repository):
    changelog = program("changelog")
    text = (repository / "CHANGELOG.md").read_text()
    unreleased = changelog.section_of(text, "Unreleased")
    cut = changelog.cut(text, "99.0.0", "2040-01-02")
    assert changelog.released_versions(cut) == ("99.0.0", *changelog.released_versions(text))
    assert changelog.section_of(cut, "99.0.0") == unreleased
    assert changelog.is_empty(changelog.section_of(cut, "Unreleased"))
    assert cut.replace("\n## [99.0.0] - 2040-01-02\n", "") == text
    with pytest.raises(changelog.ChangelogError):
        changelog.cut("# Changelog\n", "1.0.0", "2040-01-02")
