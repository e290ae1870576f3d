"""A bill and a statement on the same artifact name the same things, by the same names and digests."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from packageurl import PackageURL

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.inspection.contents import contents_of
from hermpkg_build.provenance.bill import PartKind
from hermpkg_build.provenance.facts import package_url
from hermpkg_build.provenance.materials import Held, Role, materials_of_file
from hermpkg_build.provenance.package_urls import distribution_url
from hermpkg_build.provenance.statement import Subject, file_statement
from tests.unit.provenance.test_bills import artifact, bill, parts


def held(path: Path) -> Held:
    with ArchiveReader(path) as archive:
        found = Held.by(archive, contents_of(archive))
    assert found is not None
    return found


def test_distributions_have_the_same_urls_versions_and_files_in_both(tmp_path):
    path = artifact(tmp_path / "a.pt")
    statement = json.loads(file_statement(Subject(name="a.pt", sha256=""), held(path)))
    materials = {each.name: each for each in materials_of_file(held(path)) if each.role is Role.DISTRIBUTION}
    urls = {
        each["name"]: each["uri"]
        for each in statement["predicate"]["buildDefinition"]["resolvedDependencies"]
        if each["annotations"]["role"] == "distribution"
    }
    billed = {part.name: part for part in bill(path).of_kind(PartKind.DISTRIBUTION) if part.version}
    assert materials.keys() == billed.keys() == urls.keys()
    for name, part in billed.items():
        assert urls[name] == str(package_url(part))
        assert materials[name].version == part.version
        assert materials[name].files == {file.name: file.sha256 for file in part.files}


def test_own_code_and_resources_are_the_same_in_both(tmp_path):
    path = artifact(tmp_path / "a.pt")
    by_ref = parts(bill(path))
    billed = [*by_ref["own-code"].files, *by_ref["data:resources"].files]
    materials = {each.name: each.sha256 for each in materials_of_file(held(path)) if each.sha256}
    assert materials == {file.name: file.sha256 for file in billed}


def test_externs_and_mocks_of_the_policy_are_named(tmp_path):
    by_ref = parts(bill(artifact(tmp_path / "a.pt")))
    assert by_ref["distribution:ext-dist"].externs == ("ext",)
    assert by_ref["distribution:gone-dist"].mocks == ("gone",)
    assert by_ref["interpreter"].externs == ("json",)


def test_a_statement_on_an_edited_file_is_on_what_it_holds_and_says_that_it_was_edited(tmp_path):
    path, edited = artifact(tmp_path / "a.pt"), tmp_path / "edited.pt"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(edited, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"import evil\n" if name == "art/app.py" else old.read(name))
    before, after = ({each.name: each.sha256 for each in materials_of_file(held(f))} for f in (path, edited))
    assert before["app.py"] != after["app.py"]
    statement = json.loads(file_statement(Subject(name="a.pt", sha256=""), held(edited)))
    unknown = statement["predicate"]["buildDefinition"]["internalParameters"]["unknown"]
    assert any("edited" in sentence and "app.py" in sentence for sentence in unknown)


_VERSIONS = st.from_regex(r"[0-9]{1,3}(\.[0-9]{1,2}){0,2}(\+[a-z0-9.]{1,5})?", fullmatch=True)
_SOURCES = st.sampled_from(
    ["", "git+https://git.example/lib@abc", "https://a.example/x%20y/z-1.whl", "/srv/x"]
)


@given(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,8}[A-Za-z0-9])?", fullmatch=True), _VERSIONS, _SOURCES)
def test_urls_are_the_canonical_ones_of_the_standard(name, version, source):
    url = distribution_url(name, version, source)
    assert str(PackageURL.from_string(url)) == url


@given(st.text(max_size=20))
def test_a_name_that_no_distribution_has_gives_no_url_or_a_sound_one(name):
    url = distribution_url(name)
    assert not url or PackageURL.from_string(url).type == "pypi"
