"""Artifacts in wheels of other build backends: our own stands before a small one that is written here."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from hermpkg_build.loading.wheel_settings import WheelPart
from hermpkg_build.wheels import pdm
from hermpkg_build.wheels.builds import WheelError, put_in_tree
from tests.commands import printed_by

RULES = 'load("@hermpkg//rules:defs.bzl", "deny", "intern", "model_package", "python_modules")\n'
BUILD = """
python_modules(name = "modules", srcs = glob(["*.py"]))
model_package(name = "art", modules = ["training.net"], policy = [intern("training.**"), deny("**")],
              deps = [":modules"], resources = {"words.txt": ":words.txt"})
"""
SETTINGS = '[tool.hermpkg]\n[tool.hermpkg.wheel]\ntargets = ["//training:art"]\npackage = "acme.models"\n'
OWN = 'build-backend = "hermpkg_build.backend"\nrequires = ["small", "hermpkg-build"]\n'
DOCUMENT = (
    f'[build-system]\n{OWN}[project]\nname = "acme"\nversion = "1"\n{SETTINGS}backend = "small:hooks"\n'
)
FILES = {
    "pyproject.toml": DOCUMENT,
    "src/acme/__init__.py": "",
    "training/BUILD": RULES + BUILD,
    "training/__init__.py": "",
    "training/net.py": "V = 1\n",
    "training/words.txt": "one",
}
# It has no hook for editable installs.
SMALL = """
import io, os, tarfile, types, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    with zipfile.ZipFile(os.path.join(directory, "acme-1-py3-none-any.whl"), "w") as wheel:
        for name in ("acme/__init__.py", "acme/models/art.pt", "acme-1.dist-info/RECORD"):
            listing = "acme/__init__.py,,\\nacme/models/art.pt,,\\nacme-1.dist-info/RECORD,,\\n"
            wheel.writestr(zipfile.ZipInfo(name), listing)
    return "acme-1-py3-none-any.whl"

def build_sdist(directory, config_settings=None):
    with tarfile.open(os.path.join(directory, "acme-1.tar.gz"), "w:gz") as archive:
        for name in ("pyproject.toml", "src/acme/__init__.py"):
            archive.add(name, f"acme-1/{name}")
    return "acme-1.tar.gz"

def get_requires_for_build_wheel(config_settings=None):
    return ["what the other one asks for"]

hooks = types.SimpleNamespace(**{name: value for name, value in globals().items() if "build_" in name})
"""


class Project:
    """A project in a workspace, and hooks of its backend, called as frontends do."""

    def __init__(self, workspace, folder: Path, libraries: Path) -> None:
        self.workspace, self.folder, self.libraries = workspace, folder, libraries
        libraries.mkdir()
        (libraries / "small.py").write_text(SMALL)

    def call(self, hook: str, *words: str, code: int = 0) -> str:
        """Call a hook; what the process prints."""
        program = f"import hermpkg_build.backend as b, sys; print(b.{hook}(*sys.argv[1:]))"
        environment = self.workspace.environment(PYTHONPATH=str(self.libraries))
        return printed_by(
            [sys.executable, "-c", program, *words], cwd=self.folder, env=environment, code=code
        )


@pytest.fixture
def project(make_workspace, tmp_path):
    workspace = make_workspace(tmp_path / "a projéct", tmp_path / "cache")
    for path, text in FILES.items():
        workspace.write(path, text)
    (workspace.root / "out").mkdir()
    return Project(workspace, workspace.root, tmp_path / "libraries")


def test_a_wheel_has_the_artifact_of_now(project):
    """Also where the other backend has packed one that an editable installation has left."""
    assert project.call("build_wheel", "out").endswith("acme-1-py3-none-any.whl\n")
    with zipfile.ZipFile(project.folder / "out/acme-1-py3-none-any.whl") as wheel:
        names = wheel.namelist()
        assert names == ["acme/__init__.py", "acme/models/art.pt", "acme-1.dist-info/RECORD"]
        built = (project.folder / "hermpkg-out/training/art.pt").read_bytes()
        assert wheel.read("acme/models/art.pt") == built


def test_a_source_distribution_builds_the_same_artifact(project, make_workspace, tmp_path):
    project.call("build_wheel", "out")
    project.call("build_sdist", "out")
    with tarfile.open(project.folder / "out/acme-1.tar.gz") as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    root = tmp_path / "unpacked/acme-1"
    unpacked = Project(make_workspace(root, tmp_path / "other cache"), root, tmp_path / "others")
    assert {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} == FILES.keys()
    (root / "out").mkdir()
    unpacked.call("build_wheel", "out")
    wheels = [(each / "out/acme-1-py3-none-any.whl").read_bytes() for each in (project.folder, root)]
    assert wheels[0] == wheels[1]


def test_hooks_are_those_of_the_other_backend(project):
    assert "what the other one asks for" in project.call("get_requires_for_build_wheel")
    for name in (
        "build_editable",
        "get_requires_for_build_sdist",
        "prepare_metadata_for_build_wheel",
        "other",
    ):
        assert "AttributeError" in project.call(name, code=1)


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ('backend = "small:hooks"', "", "stands before one other build backend"),
        ('"small:hooks"', '"none.such"', "cannot be imported"),
        ('"acme.models"', '"acme.models"\nverify = 1', "must be true or false"),
        ('"//training:art"', '"//training:modules"', "no model_package"),
        ('"//training:art"', '"//training:ort"', "did you mean"),
        ("[tool.hermpkg.wheel]", "[tool.other]", "stands before one other"),
    ],
)
def test_what_is_wrong_is_told_without_a_traceback(project, before, after, text):
    project.workspace.write("pyproject.toml", DOCUMENT.replace(before, after))
    output = project.call("build_wheel", "out", code=1)
    assert text in output
    assert "Traceback" not in output
    assert not [*(project.folder / "out").iterdir()]


def test_a_project_that_is_not_asked_for_gets_nothing_in_silence(project):
    top = project.workspace.root
    project.workspace.write(
        "pyproject.toml", SETTINGS.replace("acme.models", "firm.models") + 'backend = "small"'
    )
    project.workspace.write("below/pyproject.toml", DOCUMENT.partition("[tool.hermpkg]")[0])
    project.folder = top / "below"
    assert "has no artifact to put into this project" in project.call("build_wheel", ".", code=1)


def test_the_hook_of_pdm(project, monkeypatch):
    context = SimpleNamespace(root=project.folder, target="wheel")
    monkeypatch.setenv("HERMPKG_CACHE_DIR", str(project.workspace.cache))
    assert pdm.pdm_build_hook_enabled(context)
    files = {"acme/__init__.py": project.folder / "src/acme/__init__.py"}
    pdm.pdm_build_update_files(context, files)
    assert files["acme/models/art.pt"] == project.folder / "hermpkg-out/training/art.pt"
    files = {}
    context.target = "sdist"
    pdm.pdm_build_update_files(context, files)
    assert files.keys() == FILES.keys()  # of each source root there must be something
    files = {}
    context.target = "editable"
    pdm.pdm_build_update_files(context, files)
    assert files == {}
    assert (project.folder / "src/acme/models/art.pt").is_file()
    monkeypatch.setattr(pdm, "find_project", lambda _: SimpleNamespace(parts=()))
    assert not pdm.pdm_build_hook_enabled(context)


def test_no_artifact_is_put_where_it_is_built_from(project, monkeypatch):
    """It would hold itself, and never be the same again."""
    monkeypatch.setenv("HERMPKG_CACHE_DIR", str(project.workspace.cache))
    more = '{name: name for name in glob(["*.pt"], allow_empty = True)}'
    project.workspace.write(
        "training/BUILD", RULES + BUILD.replace('":words.txt"}', f'":words.txt"}} | {more}')
    )
    part = WheelPart(targets=("//training:art",))
    place = project.folder / "training/art.pt"
    for mine in (b"", b"mine"):
        if mine:
            place.write_bytes(mine)
        with pytest.raises(WheelError, match="built from the file that it is put to"):
            put_in_tree(part, str(project.folder), str(place.parent))
        assert place.read_bytes() == mine if mine else not place.exists()


def test_a_build_warns_where_the_backend_puts_nothing_into_wheels(project):
    assert "wheel" not in project.workspace.build("build", "//training:art").stderr
    project.workspace.write("pyproject.toml", DOCUMENT.replace('backend = "small:hooks"', ""))
    assert "needs another backend" in project.workspace.build("build", "//training:art").stderr
    document = DOCUMENT.replace('build-backend = "hermpkg_build.backend"', 'build-backend = "small"')
    project.workspace.write("pyproject.toml", document)
    for _ in range(2):  # The second time nothing has changed.
        warned = project.workspace.build("build", "//training:art").stderr
        assert "for the package acme.models: small puts no artifacts into wheels" in warned
        assert 'build-backend = "hermpkg_build.backend"' in warned
    project.workspace.write("pyproject.toml", DOCUMENT.replace('"small", ', '"uv_build", '))
    assert "wheel" not in project.workspace.build("build", "//training:art").stderr
