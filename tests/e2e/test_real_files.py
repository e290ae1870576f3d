"""Packages of distributions that read files: what is packed, and what their code finds where it is loaded."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Workspace

LIBRARY = {
    "lib/__init__.py": """
        import importlib.metadata
        import os

        HERE = os.path.dirname(__file__)
        __version__ = importlib.metadata.version("lib-dist")
        PLUGINS = importlib.metadata.entry_points(group="lib.plugins")
        OWNERS = importlib.metadata.packages_distributions()


        def words(name):
            with open(os.path.join(HERE, "words", name)) as file:
                return file.read()
    """,
    "lib/words/en.txt": "hello",
    "lib/words/de.txt": "hallo",
    "lib/unread.bin": "",
    "lib_dist-3.4.dist-info/METADATA": "Metadata-Version: 2.1\nName: lib-dist\nVersion: 3.4\n",
    "lib_dist-3.4.dist-info/entry_points.txt": "[lib.plugins]\nwords = lib:words\n",
    "lib_dist-3.4.dist-info/RECORD": "lib/__init__.py,,\n",
}
BUILD = """
model_package(
    name = "art",
    modules = ["lib"],
    policy = [intern("lib.**"), deny("**")],
    files = "FILES",
)

package_test(
    name = "art_test",
    package = ":art",
    main = "art_test.py",
)
"""
TEST = """
import os
from hermpkg_build import PackageImporter

with PackageImporter(os.environ["HERMPKG_ARTIFACT"]) as importer:
    lib = importer.import_module("lib")
    assert lib.__version__ == "3.4"
    assert lib.words("de.txt") == "hallo"
    assert os.path.isabs(lib.__file__)
    assert [plugin.load() for plugin in lib.PLUGINS] == [lib.words]
    assert lib.OWNERS["lib"] == ["lib-dist"]
"""


@pytest.fixture
def environment(workspace: Workspace) -> dict[str, str]:
    """A workspace with an artifact of an installed library, and what makes the library installed."""
    for path, text in LIBRARY.items():
        workspace.write(f"../site/{path}", text)
    workspace.write("app/art_test.py", TEST)
    workspace.build_file(BUILD.replace("FILES", "auto"))
    return {"PYTHONPATH": str(workspace.root.parent / "site")}


def manifest(workspace: Workspace) -> Any:
    with zipfile.ZipFile(workspace.root / "hermpkg-out" / "app" / "art.pt") as file:
        return json.loads(file.read("art/.data/hermpkg/manifest.json"))


def test_code_finds_its_files_and_its_version_where_it_is_not_installed(
    workspace: Workspace, environment: dict[str, str]
) -> None:
    outcome = workspace.run("test", "//app:art_test", env=environment)
    assert outcome.code == 0, outcome.stderr + outcome.stdout
    built = manifest(workspace)
    resources = [name for name, record in built["records"].items() if record["kind"] == "resource"]
    info = "lib_dist-3.4.dist-info"
    files = ["lib/words/de.txt", "lib/words/en.txt", f"{info}/METADATA", f"{info}/entry_points.txt"]
    assert sorted(resources) == files
    assert built["real_files"] == ["lib"]


def test_a_new_data_file_builds_the_artifact_again(workspace: Workspace, environment: dict[str, str]) -> None:
    workspace.build("//app:art", env=environment)
    assert workspace.build("//app:art", env=environment).target["status"] == "up-to-date"
    workspace.write("../site/lib/words/fr.txt", "bonjour")
    again = workspace.build("//app:art", env=environment).target
    assert again["status"] == "built"
    assert again["reasons"] == ["@python/lib/words/fr.txt as lib/words/fr.txt added"]
    workspace.write("../site/lib/words/fr.txt", "salut")
    assert workspace.build("//app:art", env=environment).target["status"] == "built"


@pytest.mark.parametrize(("files", "real"), [("real", ["lib"]), ("mangled", None)])
def test_the_target_decides_where_it_says_so(
    workspace: Workspace, environment: dict[str, str], files: str, real: list[str] | None
) -> None:
    workspace.build_file(BUILD.replace("FILES", files))
    workspace.build("//app:art", env=environment)
    assert manifest(workspace).get("real_files") == real


def test_another_word_is_refused(workspace: Workspace) -> None:
    workspace.write("app/art_test.py", "")
    workspace.build_file(BUILD.replace("FILES", "sometimes"))
    outcome = workspace.run("//app:art")
    assert outcome.code == 1
    assert 'one of "auto", "real" and "mangled"' in outcome.stderr


HELPED = {
    "attaching.py": """
        from importlib import import_module

        def attach(package, file):
            with open(file + "i") as stub:
                homes = dict(line.split() for line in stub)
            return lambda name: getattr(import_module(f"{package}.{homes[name]}"), name)
    """,
    "lib/__init__.py": """
        import attaching

        __getattr__ = attaching.attach(__name__, __file__)
    """,
    "lib/__init__.pyi": "One one\nTwo two\n",
    "lib/one.py": "class One:\n    value = 1\n",
    "lib/two.py": "class Two:\n    pass\n",
}
HELPED_BUILD = """
python_modules(name = "factory", srcs = ["factory.py"])

model(name = "model", factory = "app.factory:make", deps = [":factory"])

model_package(
    name = "art",
    models = {"model/model.pkl": ":model"},
    modules = ["lib"],
    policy = [intern("lib.**"), extern("**")],
)
"""


def test_what_a_helper_loads_for_a_package_is_packed(workspace: Workspace) -> None:
    for path, text in HELPED.items():
        workspace.write(f"../site/{path}", text)
    workspace.write("app/factory.py", "import lib\n\n\ndef make():\n    return lib.One.value\n")
    workspace.build_file(HELPED_BUILD)
    workspace.build("//app:art", env={"PYTHONPATH": str(workspace.root.parent / "site")})
    packed = {name for name in manifest(workspace)["records"] if name.startswith("lib/")}
    assert packed == {"lib/__init__.py", "lib/__init__.pyi", "lib/one.py"}


def test_a_data_file_that_comes_to_name_another_brings_it_along(workspace: Workspace) -> None:
    environment = {"PYTHONPATH": str(workspace.root.parent / "site")}
    library = "import os\n\nTEXT = open(os.path.join(os.path.dirname(__file__), 'a.txt')).read()\n"
    for path, text in {"__init__.py": library, "a.txt": "alone", "b.txt": "b", "c.txt": "c"}.items():
        workspace.write(f"../site/lib/{path}", text)
    workspace.build_file('model_package(name = "art", modules = ["lib"], policy = [intern("lib.**")])')
    workspace.build("//app:art", env=environment)
    assert {name for name in manifest(workspace)["records"] if "txt" in name} == {"lib/a.txt"}
    workspace.write("../site/lib/a.txt", "see b.txt")
    assert workspace.build("//app:art", env=environment).target["status"] == "built"
    assert {name for name in manifest(workspace)["records"] if "txt" in name} == {"lib/a.txt", "lib/b.txt"}
