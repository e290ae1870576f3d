"""Whose code a factory runs, which name its files have, and what is told of files that nobody declares."""

from __future__ import annotations

import shutil
import zipfile
from importlib.machinery import EXTENSION_SUFFIXES

import pytest

SETUPTOOLS = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
BUILD = """
python_modules(name = "modules", srcs = glob(["**/*.py"]){resources})

model(name = "net", factory = "sentim.model:make", deps = [":modules"])

model_package(
    name = "sentim",
    models = {{"model/model.pkl": ":net"}},
    policy = [{policy}],
    deps = [":modules"],
)
"""
MODEL = """
from pathlib import Path

class Net:
    def __init__(self, text):
        self.text = text

def make():
    return Net("nothing")
"""


@pytest.fixture
def project(workspace):
    """A src layout whose package Python finds without the workspace, as after ``pip install -e .``."""

    def make(*, pyproject="", model=MODEL, policy='intern("sentim.**"), deny("**")', resources=""):
        workspace.write("pyproject.toml", f"[tool.hermpkg]\n{pyproject}")
        workspace.write("src/sentim/__init__.py", "")
        workspace.write("src/sentim/model.py", model)
        workspace.build_file(BUILD.format(policy=policy, resources=resources), "src/sentim/BUILD")
        return workspace

    return make


def editable(workspace):
    return {"PYTHONPATH": str(workspace.root / "src")}


def packed(workspace, label="src/sentim/sentim.pt"):
    with zipfile.ZipFile(workspace.root / "hermpkg-out" / label) as archive:
        return {name.partition("/")[2] for name in archive.namelist()}


@pytest.mark.parametrize("installed", [True, False])
def test_what_the_build_tool_does_names_the_modules(project, installed):
    workspace = project(pyproject=SETUPTOOLS)
    outcome = workspace.run("//src/sentim", env=editable(workspace) if installed else {})
    assert outcome.code == 0, outcome.stderr
    assert "warning" not in outcome.stderr
    assert {"sentim/model.py", "sentim/__init__.py"} <= packed(workspace)


def test_a_file_that_is_another_module_for_python_is_refused(project):
    workspace = project()
    outcome = workspace.run("//src/sentim", env=editable(workspace))
    assert outcome.code == 1
    assert "src/sentim/__init__.py is not the module sentim in this workspace" in outcome.stderr
    assert 'source-roots = ["src", ""]' in outcome.stderr
    workspace.write("pyproject.toml", '[tool.hermpkg]\nsource-roots = ["src", ""]\n')
    assert workspace.run("//src/sentim", env=editable(workspace)).code == 0


HOOK = """
import sys
from importlib.util import spec_from_file_location

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "renamed":
            return spec_from_file_location(name, PATH, submodule_search_locations=[])

sys.meta_path.append(Finder)
import renamed
"""


def test_a_package_that_only_the_build_tool_calls_so_is_refused(project):
    workspace = project()
    path = str(workspace.root / "src/sentim/__init__.py")
    workspace.write("src/sentim/model.py", HOOK.replace("PATH", repr(path)))
    workspace.write("pyproject.toml", '[tool.hermpkg]\nsource-roots = ["src"]\n')
    outcome = workspace.run("//src/sentim:net")
    assert outcome.code == 1
    assert "modules have the names of their paths: have the path end in renamed" in outcome.stderr


@pytest.mark.parametrize("path", [True, False])
def test_an_artifact_without_the_code_of_its_factory_is_told_of_each_time(project, path):
    workspace = project(pyproject=SETUPTOOLS, policy='extern("sentim.**")')
    for _ in range(2):
        outcome = workspace.run("//src/sentim", env=editable(workspace) if path else {})
        assert outcome.code == 0, outcome.stderr
        assert "code of your own stays outside of the artifact" in outcome.stderr
        assert 'intern("sentim.**")' in outcome.stderr


def test_own_code_that_is_outside_by_will_is_no_matter_for_installed_libraries(project):
    workspace = project(
        pyproject=SETUPTOOLS,
        model="from packaging.version import Version\n\ndef make():\n    return Version('1')\n",
        policy='extern("packaging.**")',
    )
    outcome = workspace.run("//src/sentim")
    assert outcome.code == 0
    assert "stays outside" not in outcome.stderr


READS = """
from pathlib import Path

from sentim.model_class import Net

def make():
    return Net((Path(__file__).parent / "words.txt").read_text())
"""
CLASS = "class Net:\n    def __init__(self, text):\n        self.text = text\n"


def test_files_that_a_factory_reads_and_nobody_declares_are_told(project):
    workspace = project(pyproject=SETUPTOOLS, model=READS)
    workspace.write("src/sentim/model_class.py", CLASS)
    workspace.write("src/sentim/words.txt", "one")
    for _ in range(2):
        outcome = workspace.run("//src/sentim:net")
        assert outcome.code == 0, outcome.stderr
        assert "no target among its deps declares: src/sentim/words.txt" in outcome.stderr
    workspace.build_file(
        BUILD.format(policy='intern("sentim.**")', resources=', resources = ["words.txt"]'),
        "src/sentim/BUILD",
    )
    outcome = workspace.run("//src/sentim:net")
    assert "declares" not in outcome.stderr


def test_a_relative_path_leads_to_what_is_declared(project):
    model = "def make():\n    return open('conf/words.txt').read()\n"
    workspace = project(pyproject=SETUPTOOLS, model=model)
    workspace.write("conf/words.txt", "one")
    outcome = workspace.run("//src/sentim:net")
    assert outcome.code == 1
    assert "factories run in a folder that has only the resources of deps" in outcome.stderr
    assert "list conf/words.txt in the resources" in outcome.stderr
    assert 'Path(__file__).parents[2] / "conf/words.txt"' in outcome.stderr
    workspace.build_file(ROOT_BUILD, "BUILD")
    build = BUILD.format(policy='intern("sentim.**")', resources="")
    workspace.build_file(build.replace('[":modules"]', '[":modules", "//:conf"]'), "src/sentim/BUILD")
    assert workspace.build("//src/sentim:net").target["status"] == "built"
    workspace.write("conf/words.txt", "two")
    changed = workspace.build("//src/sentim:net", "--explain")
    assert changed.target["status"] == "built"


def test_a_relative_path_that_code_does_without_is_told(project):
    model = "import os\n\ndef make():\n    return 'yes' if os.path.exists('conf/words.txt') else 'no'\n"
    workspace = project(pyproject=SETUPTOOLS, model=model)
    told = "the factory looked for conf/words.txt in the folder in which it runs"
    for is_there in (False, True, True, False):
        if is_there:
            workspace.write("conf/words.txt", "one")
        elif (workspace.root / "conf").exists():
            shutil.rmtree(workspace.root / "conf")
        outcome = workspace.run("//src/sentim:net")
        assert outcome.code == 0
        assert (told in outcome.stderr) == is_there


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_relative_path_that_is_only_made_absolute_is_none_that_code_does_without(project, goes_on):
    """As libraries do with ``Path("src").resolve()`` when they are imported."""
    asked = "Path('conf').resolve()"
    model = f"from pathlib import Path\n\ndef make():\n    return str({asked}{'.exists()' * goes_on} and 1)\n"
    workspace = project(pyproject=SETUPTOOLS, model=model)
    workspace.write("conf/words.txt", "one")
    outcome = workspace.run("//src/sentim:net")
    assert outcome.code == 0, outcome.stderr
    assert ("the factory looked for conf in the folder" in outcome.stderr) == goes_on


def test_a_declared_link_is_declared(project):
    model = """
from pathlib import Path

from sentim.linked import Net

def make():
    here = Path(__file__).parent
    return Net(*((here / name).read_text() for name in ("words.txt", "folder/more.txt")))
"""
    workspace = project(pyproject=SETUPTOOLS, model=model)
    workspace.write(
        "shared/linked.txt", "class Net:\n    def __init__(self, *texts):\n        self.texts = texts\n"
    )
    workspace.write("shared/words.txt", "one")
    workspace.write("shared/folder/more.txt", "two")
    for name, target in (("linked.py", "linked.txt"), ("words.txt", "words.txt"), ("folder", "folder")):
        (workspace.root / "src/sentim" / name).symlink_to(f"../../shared/{target}")
    resources = ', resources = ["words.txt", "folder/more.txt"]'
    workspace.build_file(BUILD.format(policy='intern("sentim.**")', resources=resources), "src/sentim/BUILD")
    outcome = workspace.run("//src/sentim:net")
    assert outcome.code == 0, outcome.stderr
    assert "declares" not in outcome.stderr


def test_what_is_installed_inside_the_workspace_is_not_its_code(project, workspace):
    project(
        pyproject=SETUPTOOLS,
        model="import vendored\n\ndef make():\n    return vendored.Thing()\n",
        policy='intern(["sentim.**", "vendored"])',
    )
    workspace.write("libs/vendored.py", "class Thing:\n    pass\n")
    workspace.write("libs/vendored-1.dist-info/METADATA", "Name: vendored\nVersion: 1\n")
    outcome = workspace.run("//src/sentim", env={"PYTHONPATH": str(workspace.root / "libs")})
    assert outcome.code == 0, outcome.stderr
    assert "vendored.py" in packed(workspace)


CLIMBS = """
from pathlib import Path

class Net:
    def words(self):
        return (Path(__file__).resolve().parents[{levels}] / "conf/words.txt").read_text()

def make():
    net = Net()
    net.words()
    return net
"""
ROOT_BUILD = """
python_modules(
    name = "conf",
    srcs = [],
    resources = ["conf/words.txt"],
    visibility = ["//:__subpackages__"],
)
"""


@pytest.mark.parametrize("folder", ["", "src/", "libs/python/"])
def test_code_finds_resources_above_its_source_root(workspace, folder, tmp_path, monkeypatch):
    from hermpkg_build import PackageImporter

    workspace.write("pyproject.toml", f'[tool.hermpkg]\nsource-roots = ["{folder.rstrip("/")}"]\n')
    workspace.write("conf/words.txt", "one")
    workspace.write(f"{folder}sentim/__init__.py", "")
    workspace.write(f"{folder}sentim/model.py", CLIMBS.format(levels=1 + folder.count("/")))
    workspace.build_file(ROOT_BUILD, "BUILD")
    build = BUILD.format(policy='intern("sentim.**")', resources="")
    workspace.build_file(build.replace('[":modules"]', '[":modules", "//:conf"]'), f"{folder}sentim/BUILD")
    outcome = workspace.run(f"//{folder}sentim")
    assert outcome.code == 0, outcome.stderr
    assert "warning" not in outcome.stderr
    artifact = workspace.root / "hermpkg-out" / f"{folder}sentim/sentim.pt"
    moved = artifact.rename(tmp_path / "sentim.pt")
    (workspace.root / "conf/words.txt").unlink()
    with PackageImporter(moved) as importer:
        assert importer.load_pickle("model", "model.pkl").words() == "one"
    with zipfile.ZipFile(moved) as archive:
        archive.extractall(tmp_path / "unpacked")
    with PackageImporter(tmp_path / "unpacked/sentim") as importer:
        assert importer.load_pickle("model", "model.pkl").words() == "one"


def test_a_resource_that_cannot_keep_its_place_is_told(workspace):
    workspace.write("pyproject.toml", '[tool.hermpkg]\nsource-roots = ["src", "data"]\n')
    workspace.write("data/conf/words.txt", "one")
    workspace.write("src/sentim/__init__.py", "")
    workspace.write("src/sentim/model.py", CLIMBS.format(levels=2).replace('"conf', '"data/conf'))
    workspace.build_file(ROOT_BUILD.replace('"conf/', '"data/conf/'), "BUILD")
    build = BUILD.format(policy='intern("sentim.**")', resources="")
    workspace.build_file(build.replace('[":modules"]', '[":modules", "//:conf"]'), "src/sentim/BUILD")
    outcome = workspace.run("//src/sentim")
    assert outcome.code == 0, outcome.stderr
    assert "not there in the artifact: data/conf/words.txt" in outcome.stderr


@pytest.mark.parametrize("place", ["src/sentim/_ops.c", "src/sentim/_ops{}", "site/sentim/_ops{}", ""])
def test_a_compiled_module_of_a_package_of_the_workspace_needs_a_distribution_of_its_own(project, place):
    """However it was built; what is nowhere was misspelt."""
    workspace = project()
    workspace.write("pyproject.toml", '[tool.hermpkg]\nsource-roots = ["src"]\n')
    workspace.write("src/sentim/model.py", "from sentim._ops import twice\n")
    if place:
        workspace.write(place.format(EXTENSION_SUFFIXES[0]), "")
    outcome = workspace.run("//src/sentim:net", env={"PYTHONPATH": str(workspace.root / "site")})
    assert outcome.code == 1
    step = "move it to a distribution of its own with a module sentim__ops"
    assert (step in outcome.stderr) == bool(place), outcome.stderr
