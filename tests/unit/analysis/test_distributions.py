"""The owner of a module or file, by what installers record."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from importlib import metadata

import pytest

from hermpkg_build.analysis.distributions import Distributions
from hermpkg_build.analysis.search_path import environment_search_path
from hermpkg_build.core.distribution_names import normalised
from hermpkg_build.disk.source_tree import SourceTree


class CountingTree(SourceTree):
    """A tree that notes which files were read."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []

    def read(self, path: str) -> bytes:
        self.opened.append(path)
        return super().read(path)


@pytest.fixture
def site(workspace):
    workspace.installed(
        {
            "alpha/__init__.py": "",
            "alpha-1.0+local.dist-info/RECORD": "alpha/__init__.py,sha256=x,0\n",
            "img/__init__.py": "",
            "Pil_Low-2.5.dist-info/top_level.txt": "img\n_img\n",
            "Pil_Low-2.5.dist-info/RECORD": "img/__init__.py,,\nimg/_c.cpython-311-x86_64-linux-gnu.so,,\n",
            "single.py": "",
            "one_file-3.dist-info/RECORD": '"a, b",,\nsingle.py,,\n__pycache__/single.cpython-311.pyc,,\n',
            "space/one/a.py": "",
            "space/two/b.py": "",
            "space_one-1.dist-info/RECORD": "space/one/a.py,,\n",
            "space_two-2.dist-info/RECORD": "space/two/b.py,,\n",
            "old/__init__.py": "",
            "old-0.9-py3.11.egg-info/top_level.txt": "old\n",
            "older.py": "",
            "older.egg-info/PKG-INFO": "Metadata-Version: 1.0\nName: older\nVersion: 0.1\n",
            "older.egg-info/top_level.txt": "older\n",
            "loose.py": "",
        }
    )
    return workspace.site


def owners(site, tree=None):
    return Distributions([str(site)], tree or SourceTree())


@pytest.mark.parametrize(
    ("file", "name", "version"),
    [
        ("alpha/__init__.py", "alpha", "1.0+local"),
        ("img/__init__.py", "pil-low", "2.5"),
        ("single.py", "one-file", "3"),
        ("space/one/a.py", "space-one", "1"),
        ("space/two/b.py", "space-two", "2"),
        ("old/__init__.py", "old", "0.9"),
        ("older.py", "older", "0.1"),
    ],
)
def test_owner_of_a_file(site, file, name, version):
    owner = owners(site).owner_in(str(site), file)
    assert (owner.name, owner.version) == (name, version)
    assert owners(site).owner_of(str(site / file)) == owner


@pytest.fixture
def plugins(workspace):
    workspace.installed(
        {
            "host/__init__.py": "",
            "host/made_later.py": "",
            "host/plugins/__init__.py": "",
            "host/plugins/one.py": "",
            "host/plugins/a, b.py": "",
            "host-1.dist-info/RECORD": "host/__init__.py,,\nhost/plugins/__init__.py,,\n",
            "host/plugins/of_an_egg.py": "",
            "host_an_egg-1.egg-info/top_level.txt": "host\n",
            "host_an_egg-1.egg-info/SOURCES.txt": "host/plugins/of_an_egg.py\n",
            "aa_first-2.dist-info/top_level.txt": "host\n",
            "aa_first-2.dist-info/RECORD": 'host/plugins/one.py,,\n"host/plugins/a, b.py",,\n',
            "space/loose.py": "",
            "space/one.py": "",
            "space_one-1.dist-info/RECORD": "space/one.py,,\n",
            "space_two-1.dist-info/RECORD": "space/two.py,,\n",
        }
    )
    return workspace.site


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("host/__init__.py", "host"),
        ("host/plugins/__init__.py", "host"),
        ("host/plugins/one.py", "aa-first"),
        ("host/plugins/a, b.py", "aa-first"),
        ("host/plugins/of_an_egg.py", "host-an-egg"),
        ("host/made_later.py", "host"),
        ("space/one.py", "space-one"),
        ("space/loose.py", ""),
    ],
)
@pytest.mark.parametrize("asked_before", [0, 200])
def test_who_puts_a_file_into_the_package_of_another_owns_it(plugins, file, name, asked_before):
    found = owners(plugins)
    for number in range(asked_before):
        found.owner_in(str(plugins), f"host/plugins/absent{number}.py")
    owner = found.owner_in(str(plugins), file)
    assert (owner.name if owner else "") == name
    assert found.owner_of(str(plugins / file)) == owner


def test_a_namespace_has_files_of_those_that_record_none(workspace):
    workspace.installed(
        {
            "space/a.py": "",
            "space/b.py": "",
            "space_a-1.dist-info/RECORD": "space/a.py,,\n",
            "space_b-1.egg-info/top_level.txt": "space\n",
        }
    )
    assert owners(workspace.site).owner_in(str(workspace.site), "space/b.py").name == "space-b"


def test_owner_of_a_top_level_name(site):
    assert owners(site).owner_of("img").name == "pil-low"
    assert owners(site).owner_of("single").name == "one-file"
    assert owners(site).owner_of("nothing") is None
    assert owners(site).owner_of("/elsewhere/file.py") is None


def test_a_file_that_nobody_installed_has_no_owner(site):
    assert owners(site).owner_in(str(site), "loose.py") is None


def test_names_are_compared_as_pep_503_says(site):
    assert normalised("Foo__Bar.baz-") == "foo-bar-baz-"
    assert owners(site).named("PIL.low").version == "2.5"
    assert owners(site).named("absent") is None


def test_names_that_no_distribution_has_are_told_with_what_is_meant(site):
    told = list(owners(site).unknown_requirements(["PIL_low", "pil.LOW", "img", "alhpa", "zzz"]).values())
    text = "which is no distribution that is installed here"
    assert told == [
        f"requires names alhpa, {text}: did you mean 'alpha'?",
        f"requires names img, {text}: the module img comes with pil-low",
        f"requires names zzz, {text}",
    ]


def test_compiled_distributions(site):
    found = owners(site)
    assert found.is_compiled(found.named("pil-low"))
    assert not found.is_compiled(found.named("alpha"))


@pytest.mark.parametrize("damage", ['"' + "x" * 200_000, "nul\0.so,,\n"])
def test_a_damaged_record_lists_what_comes_before(workspace, damage):
    workspace.installed({"d-1.dist-info/METADATA": "", "d-1.dist-info/RECORD": f"d/x.so,,\n{damage}"})
    distributions = workspace.finder().distributions
    assert distributions.is_compiled(distributions.named("d"))


def test_only_the_likely_owner_is_read(site):
    tree = CountingTree()
    owners(site, tree).owner_of("alpha")
    assert [path for path in tree.opened if "RECORD" in path or "top_level" in path] == [
        str(site / "alpha-1.0+local.dist-info/RECORD")
    ]


@pytest.mark.parametrize(
    "code",
    [
        "__path__ = __import__('pkgutil').extend_path(__path__, __name__)",
        "pkg_resources.declare_namespace(__name__)",
    ],
)
def test_distributions_that_share_a_namespace_with_code_own_their_own_files(workspace, code):
    files = {"shared/__init__.py": code, "shared/one.py": "", "shared/two.py": ""}
    for name in ("one", "two"):
        files[f"shared_{name}-1.dist-info/top_level.txt"] = "shared\n"
        files[f"shared_{name}-1.dist-info/RECORD"] = f"shared/__init__.py,,\nshared/{name}.py,,\n"
    workspace.installed(files)
    for name in ("one", "two"):
        assert (
            owners(workspace.site).owner_in(str(workspace.site), f"shared/{name}.py").name == f"shared-{name}"
        )


def test_files_of_an_editable_install_belong_to_it(workspace, tmp_path):
    url = {"url": f"file://{tmp_path}/my%20project", "dir_info": {"editable": True}}
    workspace.installed(
        {"proj-1.dist-info/direct_url.json": json.dumps(url), "bad-1.dist-info/direct_url.json": "{"}
    )
    found = owners(workspace.site)
    assert found.owner_of(str(tmp_path / "my project/src/mod.py")).name == "proj"
    assert found.owner_of(str(tmp_path / "my project else/mod.py")) is None


def test_owners_agree_with_importlib_metadata():
    from importlib.metadata import packages_distributions, version

    found = Distributions(environment_search_path(), SourceTree())
    owned = 0
    for top, names in packages_distributions().items():
        owner = found.owner_of(top)
        if owner is not None:
            assert owner.name in {normalised(name) for name in names}, top
            assert owner.version == version(owner.name)
            owned += 1
    assert owned > 3
    assert found.owner_of("_pytest").name == "pytest"


@pytest.mark.parametrize("here", ["1.9", "1.10", "2.0"])
@pytest.mark.parametrize("only_newer", [False, True], ids=["edited", "one-more"])
def test_the_version_is_that_of_the_files_where_an_upgrade_left_the_metadata_of_others(
    workspace, here, only_newer
):
    """What `pip install --target --upgrade` and layers of images leave."""
    files = {}
    for version in ("1.9", "1.10", "2.0"):
        inside = {"tool/__init__.py": "", f"tool/v{version.replace('.', '_')}.py": ""}
        if not only_newer:
            inside = {"tool/__init__.py": f"VERSION = {version!r}\n", "tool/same.py": ""}
        rows = "".join(f"{file},sha256={_recorded(text)},\n" for file, text in inside.items())
        own = f"tool-{version}.dist-info"
        files[f"{own}/METADATA"] = f"Name: tool\nVersion: {version}\n"
        files[f"{own}/RECORD"] = f"{rows}{own}/METADATA,sha256={_recorded(files[f'{own}/METADATA'])},\n"
        if version == here:
            files.update(inside)
    workspace.installed(files)

    asked = owners(workspace.site)

    assert asked.named("tool").version == here
    assert asked.owner_in(str(workspace.site), "tool/__init__.py").version == here


@pytest.mark.parametrize("is_zipped", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("name", ["tool-1.5-py3.11.egg", "tool-1.5-py3-none-any.whl"])
def test_eggs_and_zip_files_on_the_path_have_distributions(workspace, tmp_path, name, is_zipped):
    entry = tmp_path / name
    egg = {
        "tool/a.py": "",
        "EGG-INFO/PKG-INFO": "Name: tool\nVersion: 1.5\n",
        "EGG-INFO/top_level.txt": "tool\n",
    }
    wheel = {
        "tool/a.py": "",
        "tool-1.5.dist-info/METADATA": "Name: tool\nVersion: 1.5\nRequires-Dist: other\n",
    }
    files = {**egg} if name.endswith(".egg") else {**wheel, "tool-1.5.dist-info/RECORD": "tool/a.py,,\n"}
    if is_zipped:
        with zipfile.ZipFile(entry, "w") as archive:
            for file, text in files.items():
                archive.writestr(file, text)
    else:
        for file, text in files.items():
            (entry / file).parent.mkdir(parents=True, exist_ok=True)
            (entry / file).write_text(text)
    asked = Distributions([str(entry)], SourceTree())

    owner = asked.owner_in(str(entry), "tool/a.py")

    assert (owner, owner.name, owner.version) == (asked.named("Tool"), "tool", "1.5")
    theirs = {found.metadata["Name"]: found.version for found in metadata.distributions(path=[str(entry)])}
    assert theirs == {owner.name: owner.version}
    assert b"Version: 1.5" in asked.header_of(owner)


def test_a_file_on_the_path_that_is_no_zip_file_has_none(tmp_path):
    (tmp_path / "notes").write_text("no archive")
    assert Distributions([str(tmp_path / "notes")], SourceTree()).installed_in(str(tmp_path / "notes")) == ()


def _recorded(text: str) -> str:
    """The digest of a file as records of installers have it."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
