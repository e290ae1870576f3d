"""The setuptools command with the real tools: setup.py, pip and build make wheels that ship artifacts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.commands import printed_by


class Project:
    """A copy of the example, and tools run in it."""

    def __init__(self, workspace) -> None:
        self.workspace = workspace
        self.root = workspace.root

    def run(self, *words: str, code: int = 0, **env: str) -> str:
        """Run Python with `words`; all that it prints."""
        environment = self.workspace.environment(SOURCE_DATE_EPOCH="1700000000", **env)
        return printed_by([sys.executable, *words], cwd=self.root, env=environment, code=code)

    def wheel(self, **env: str) -> Path:
        """The wheel that pip builds."""
        self.run("-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "-w", "out", ".", **env)
        (wheel,) = (self.root / "out").glob("*.whl")
        return wheel


@pytest.fixture
def make_project(make_workspace, repository, tmp_path):
    """Copy the example to a folder of some name."""

    def make(name: str = "project") -> Project:
        root = tmp_path / name / "setuptools"
        ignored = shutil.ignore_patterns("hermpkg-out", "build", "dist", "*.egg-info", "*.pt", "__pycache__")
        shutil.copytree(repository / "examples/setuptools", root, ignore=ignored)
        return Project(make_workspace(root, tmp_path / name / "cache"))

    return make


def test_into_a_folder(make_project):
    project = make_project()
    words = ("--targets", "//training:greeter", "--output-dir", "dist/models", "--verify", "--rebuild")
    output = project.run("setup.py", "package_model", *words)
    assert "//training:greeter -> dist/models/greeter.pt" in output
    artifact = project.root / "dist/models/greeter.pt"
    assert artifact.stat().st_mode & 0o777 == 0o644
    assert project.workspace.run("verify", str(artifact)).code == 0


def test_wheels_are_reproducible(make_project):
    a = make_project("here").wheel(PYTHONHASHSEED="1", TZ="UTC")
    b = make_project("some where else").wheel(PYTHONHASHSEED="2", TZ="Asia/Tokyo")
    assert a.name == b.name
    assert a.read_bytes() == b.read_bytes()
    with zipfile.ZipFile(a) as wheel:
        assert "acme/artifacts/greeter.pt" in wheel.namelist()
        assert not [name for name in wheel.namelist() if name.startswith("training")]


def test_build_makes_the_wheel_from_the_source_distribution(make_project, tmp_path):
    project = make_project()
    project.run("-m", "build", "--no-isolation", "-o", "out")
    (source,) = (project.root / "out").glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"training/BUILD", "training/__init__.py", "training/greeter.py", "pyproject.toml"} <= names
    (wheel,) = (project.root / "out").glob("*.whl")
    assert wheel.read_bytes() == make_project("by pip").wheel().read_bytes()
    installed = tmp_path / "installed"
    project.run("-m", "pip", "install", "-q", "--no-deps", "--target", str(installed), str(wheel))
    program = "import acme; print(acme.load_model()('fr', 'Ada'))"
    completed = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=project.workspace.environment(PYTHONPATH=str(installed)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.stdout == "Bonjour, Ada!\n", completed.stderr


RULES = 'load("@hermpkg//rules:defs.bzl", "deny", "intern", "model", "model_package", "python_modules")'
SETUPTOOLS = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "shop"
version = "1"
[tool.setuptools.packages.find]
where = ["src"]
"""
SETTINGS = """
[tool.hermpkg]
source-roots = ["src", "checks"]
[tool.hermpkg.wheel]
targets = ["//src/shop/models:art"]
package = "shop"
"""
# Everything here has something that only the build knows of: see the tests.
SHOP = {
    "src/shop/__init__.py": "",
    "src/shop/labels.csv": "a,b\n",
    "src/shop/models/BUILD": RULES
    + """
load("//tools/macros:m.bzl", "art")
python_modules(name = "modules", srcs = glob(["*.py"]), resources = ["table.txt"])
python_modules(name = "others", srcs = glob(["notes/*.py"]))
model(name = "net", factory = "shop.models.net:make", deps = [":modules"])
art(name = "art", models = {"m/m.pkl": ":net"}, deps = [":modules"])
""",
    "src/shop/models/__init__.py": "",
    "src/shop/models/table.txt": "1\n",
    "src/shop/models/net.py": """
        import os

        HERE = os.path.dirname(__file__)

        def make():
            with open(os.path.join(HERE, "data", "words.txt")) as file:
                return file.read().split() + sorted(os.listdir(os.path.join(HERE, "listed")))
        """,
    "src/shop/models/data/words.txt": "x y\n",
    "src/shop/models/listed/one": "1",
    "src/shop/models/listed/two": "2",
    "src/shop/models/notes/a.py": "",
    "src/shop/models/notes/inner/BUILD": "",
    "src/shop/models/never/asked/for.txt": "large",
    "checks/test_shop.py": "",
    "tools/macros/BUILD": "",
    "tools/macros/m.bzl": RULES
    + """

def art(name, **more):
    policy = [intern("shop.**"), deny("**")]
    model_package(name = name, modules = ["shop.models.net"], policy = policy, **more)
""",
}
SETUP = "from setuptools import setup\n\nsetup()\n"
MANIFEST = "include src/shop/labels.csv\nprune tools\nglobal-exclude words.txt BUILD\n"


@pytest.fixture
def shop(make_workspace, tmp_path):
    """A project whose model lies in a package of the wheel, with the code in src."""
    project = Project(make_workspace(tmp_path / "shop", tmp_path / "cache"))
    for path, text in {
        **SHOP,
        "pyproject.toml": SETUPTOOLS + SETTINGS,
        "MANIFEST.in": MANIFEST,
        "setup.py": SETUP,
    }.items():
        project.workspace.write(path, text)
    return project


def wheel_of(project: Project) -> dict[str, bytes]:
    """The files of the wheel that setuptools makes of the project."""
    project.run("-c", "from setuptools.build_meta import build_wheel as build; build('out')")
    (wheel,) = (project.root / "out").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_gets_the_artifact_and_nothing_else(shop):
    shop.workspace.write("pyproject.toml", SETUPTOOLS)
    without = wheel_of(shop)
    assert "shop/labels.csv" in without
    shutil.rmtree(shop.root / "build")
    shop.workspace.write("pyproject.toml", SETUPTOOLS + SETTINGS)
    assert wheel_of(shop).keys() - without.keys() == {"shop/art.pt"}


def test_a_source_distribution_builds_the_same_wheel(shop, make_workspace, tmp_path):
    wheel = wheel_of(shop)
    shop.run("-c", "from setuptools.build_meta import build_sdist as build; build('out')")
    with tarfile.open(shop.root / "out/shop-1.tar.gz") as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
        archive.extractall(tmp_path / "unpacked", filter="data")
    assert names >= SHOP.keys() - {"src/shop/models/never/asked/for.txt", "src/shop/models/notes/inner/BUILD"}
    assert "src/shop/models/never/asked/for.txt" not in names
    unpacked = Project(make_workspace(tmp_path / "unpacked/shop-1", tmp_path / "other cache"))
    assert wheel_of(unpacked) == wheel


def test_a_source_distribution_of_a_part_of_the_workspace(shop):
    part = shop.root / "python"
    shutil.copytree(shop.root / "src", part / "src")
    (part / "pyproject.toml").write_text(SETUPTOOLS)
    build = "import os; os.chdir('python'); import setuptools.build_meta as b; b.build_{}('../out')"
    assert "begins outside of the project" in shop.run("-c", build.format("sdist"), code=1)
    shop.run("-c", build.format("wheel"))
    (wheel,) = (shop.root / "out").glob("*.whl")
    assert "shop/art.pt" in zipfile.ZipFile(wheel).namelist()


def test_settings_of_a_workspace_are_for_the_project_that_has_the_package(shop):
    settings = SETTINGS.replace('package = "shop"', 'package = "firm.shop"')
    shop.workspace.write("pyproject.toml", SETUPTOOLS + settings)
    setup = "from setuptools import setup\nsetup(name='other', packages=['other', 'firm.others'])\n"
    other = shop.workspace.write("other/setup.py", setup).parent
    for package in ("other", "firm/others"):
        shop.workspace.write(f"other/{package}/__init__.py", "")
    shop.run("-c", "import os, runpy, sys; os.chdir('other'); sys.argv[1:] = ['-q', 'build']; "
             "runpy.run_path('setup.py')")  # fmt: skip
    assert not list(other.rglob("*.pt"))


def test_wrong_settings_make_no_wheel(shop):
    shop.workspace.write("pyproject.toml", SETUPTOOLS + SETTINGS.replace("checks", "cheques"))
    assert "is not a folder" in shop.run("setup.py", "build", code=1)


def test_two_artifacts_of_one_name(shop):
    art = '\nmodel_package(name = "art", policy = [deny("**")])\n'
    shop.workspace.write("other/BUILD", RULES + art)
    output = shop.run("setup.py", "package_model", "-t", "//other:art,//src/shop/models:art", code=1)
    assert "would both be" in output


def test_inputs_that_lie_in_an_environment_are_those_that_a_target_lists(workspace):
    workspace.build_file(
        """
        python_modules(name = "modules", srcs = ["net.py"])
        model(name = "net", factory = "app.net:make", deps = [":modules"])
        model_package(
            name = "app",
            models = {"m/m.pkl": ":net"},
            resources = {"m/listed": "env/listed.txt"},
            policy = [intern("**", allow_empty = True)],
        )
        """
    )
    workspace.write("app/net.py", """
        def make():
            return open(__file__.replace("net.py", "env/read.txt")).read()
        """)  # fmt: skip
    for name in ("pyvenv.cfg", "read.txt", "listed.txt"):
        workspace.write(f"app/env/{name}", "")
    inputs = workspace.build("build", "//app", "--inputs").json["inputs"]
    assert inputs == ["app/BUILD", "app/env/listed.txt", "app/net.py", "pyproject.toml"]


def test_options_in_setup_cfg(make_project):
    project = make_project()
    text = (project.root / "pyproject.toml").read_text()
    (project.root / "pyproject.toml").write_text(text.partition("[tool.hermpkg.wheel]")[0])
    options = "[package_model]\ntargets = //training:greeter\npackage = acme.artifacts\n"
    (project.root / "setup.cfg").write_text(options)
    project.run("setup.py", "-q", "build")
    assert (project.root / "build/lib/acme/artifacts/greeter.pt").is_file()


OWN_BUILD = """
from setuptools import Command, setup
from setuptools.command.build import build

class Extra(Command):
    user_options = []
    initialize_options = finalize_options = run = lambda self: None

class Build(build):
    sub_commands = [*build.sub_commands, ("extra", None)]

folders = {"firm.shop": "lib/code"}
setup(cmdclass={"build": Build, "extra": Extra}, packages=[*folders], package_dir=folders)
"""
OWN_SETTINGS = """
[tool.hermpkg]
[[tool.hermpkg.wheel]]
targets = ["//:art"]
package = "firm.shop.models"
[[tool.hermpkg.wheel]]
targets = ["//:art"]
package = "firm.other"
"""
ART = """
python_modules(name = "modules", srcs = ["m.py"])
model_package(name = "art", out = "{}.pt", modules = ["m"], policy = [intern("**")], deps = [":modules"])
"""


def test_a_build_of_ones_own_with_what_is_called_otherwise_later(make_workspace, tmp_path):
    """A list of sub-commands of one's own, folders by packages, and a package that another project has."""
    project = Project(make_workspace(tmp_path / "firm", tmp_path / "cache"))
    files = {
        "setup.py": OWN_BUILD,
        "pyproject.toml": OWN_SETTINGS,
        "lib/code/__init__.py": "",
        "m.py": "V = 1",
    }
    for path, text in files.items():
        project.workspace.write(path, text)
    for name in ("first", "second"):
        project.workspace.write("BUILD", RULES + ART.format(name))
        project.run("setup.py", "-q", "build")
        built = {
            str(path.relative_to(project.root / "build/lib"))
            for path in (project.root / "build").rglob("*.pt")
        }
        assert built == {f"firm/shop/models/{name}.pt"}
    project.workspace.write("pyproject.toml", OWN_SETTINGS.replace("firm.shop.models", "firm.new"))
    project.run("setup.py", "-q", "build")
    assert not list((project.root / "build/lib/firm/new").glob("*"))


def test_projects_that_ask_for_nothing_get_nothing(make_project):
    project = make_project()
    text = (project.root / "pyproject.toml").read_text()
    (project.root / "pyproject.toml").write_text(text.partition("[tool.hermpkg]")[0])
    project.run("setup.py", "-q", "build")
    assert not (project.root / "build/lib/acme/artifacts/greeter.pt").exists()
    assert "needs targets: --targets //models:resnet, or" in project.run("setup.py", "package_model", code=1)


def test_what_is_missing_is_told_with_an_artifact_of_the_workspace(make_project):
    project = make_project()
    text = (project.root / "pyproject.toml").read_text()
    (project.root / "pyproject.toml").write_text(f"{text.partition('[tool.hermpkg]')[0]}[tool.hermpkg]\n")
    told = project.run("setup.py", "package_model", code=1)
    assert "needs targets: --targets //training:greeter, or" in told


def test_editable_installations_have_the_artifact_in_the_source_tree(make_project):
    project = make_project()
    os.mkdir(project.root / "out")
    project.run("-c", "from setuptools.build_meta import build_editable as build; build('out')")
    assert (project.root / "acme/artifacts/greeter.pt").is_file()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--targets", "//training:gretel"), "did you mean"),
        (("--targets", "//training:modules"), "no model_package"),
    ],
)
def test_what_cannot_be_built(make_project, words, text):
    assert text in make_project().run("setup.py", "package_model", *words, code=1)


def test_a_model_that_is_not_reproducible(make_project):
    project = make_project()
    code = (project.root / "training/greeter.py").read_text()
    (project.root / "training/greeter.py").write_text(
        code.replace("return Greeter(", "return Greeter({'id': id(languages)} | ")
    )
    output = project.run("setup.py", "package_model", "--rebuild", code=1)
    assert "hermpkg verify failed: //training:greeter" in output
