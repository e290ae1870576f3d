"""Wheels, source distributions and editable installs with artifacts, made by the real backends."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.backends.conftest import (
    ARTIFACT,
    BACKENDS,
    PROJECT,
    SETTINGS,
    WORKSPACE,
    Folder,
    names_in,
    sources_in,
    wheel_in,
)

for library in ("hatchling", "pdm.backend", "uv_build"):
    pytest.importorskip(library, reason="the build backends are not installed here: `make backends` has them")

PROGRAM = """
from importlib.resources import files
from hermpkg_build import PackageImporter
with PackageImporter(str(files("acme_shop.models") / "art.pt")) as importer:
    print(importer.load_pickle("model", "model.pkl").words)
"""
each_backend = pytest.mark.parametrize(
    "backend",
    [
        pytest.param(
            each,
            id=each.name,
            marks=pytest.mark.skipif(
                bool(each.program) and shutil.which(each.program) is None, reason=f"needs {each.program}"
            ),
        )
        for each in BACKENDS
    ],
)


@each_backend
def test_isolated(backend, make_project, make_folder):
    """`python -m build` installs what is required, and makes the wheel of the source distribution."""
    without = make_project(backend, "without", with_artifacts=False)
    project = make_project(backend)
    if backend.name == "meson":
        without.commit()
        project.commit()
    without.python("-m", "build", "-q", "--no-isolation", "-o", "out")
    project.python("-m", "build", "-q", "-o", "out")
    assert names_in(wheel_in(project.root / "out")) - names_in(wheel_in(without.root / "out")) == {ARTIFACT}
    more = sources_in(project.root / "out") - sources_in(without.root / "out")
    assert WORKSPACE.keys() <= sources_in(project.root / "out")
    assert more <= WORKSPACE.keys()

    project.python("-m", "build", "-q", "--wheel", "--no-isolation", "-o", "from the tree")
    if backend.is_reproducible:
        assert same(wheel_in(project.root / "from the tree"), wheel_in(project.root / "out"))
    installed = project.root / "installed"
    project.python(
        "-m", "pip", "install", "-q", "--no-deps", "--target", installed, wheel_in(project.root / "out")
    )
    program = f"import sys; sys.path.insert(0, {str(installed)!r})\n{PROGRAM}"
    assert make_folder("elsewhere").python("-c", program) == "['one', 'two']\n"


def same(a: Path, b: Path) -> bool:
    """Whether two wheels hold the same."""
    with zipfile.ZipFile(a) as first, zipfile.ZipFile(b) as second:
        return all(
            name.endswith("RECORD") or first.read(name) == second.read(name)
            for name in {*first.namelist(), *second.namelist()}
        )


@each_backend
def test_uv(backend, make_project):
    """`uv build` makes both, each in an environment of its own."""
    project = make_project(backend)
    if backend.name == "meson":
        project.commit()
    project.run(
        "uv",
        "build",
        "-q",
        "--python",
        project.python("-c", "import sys; print(sys.executable)").strip(),
        "-o",
        "out",
    )
    assert ARTIFACT in names_in(wheel_in(project.root / "out"))
    assert WORKSPACE.keys() <= sources_in(project.root / "out")


@each_backend
def test_reproducible(backend, make_project):
    """The same project gives the same bytes, wherever it lies."""
    if not backend.is_reproducible:
        pytest.skip(f"{backend.name} itself makes other bytes each time")
    made = []
    for name in ("here", "elsewhere"):
        project = make_project(backend, name)
        if backend.name == "meson":
            project.commit()
        project.python("-m", "build", "-q", "--no-isolation", "-o", "out")
        made.append(wheel_in(project.root / "out").read_bytes())
    assert made[0] == made[1]


@each_backend
def test_editable(backend, make_project, make_folder):
    """An editable installation has the artifact beside the source of the package."""
    project = make_project(backend)
    elsewhere = make_folder("elsewhere")
    python = environment(elsewhere)
    project.python(
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--editable",
        ".",
    )
    assert (project.root / "src" / ARTIFACT).is_file()
    if backend.name != "meson":
        # meson-python shows what is installed, and nothing else that lies in the source tree.
        assert elsewhere.run(python, "-c", PROGRAM) == "['one', 'two']\n"
    # What lies in the tree from now on is packed once, as it is built.
    (project.root / "src" / ARTIFACT).write_bytes(b"old")
    project.python("-m", "build", "-q", "--wheel", "--no-isolation", "-o", "out")
    assert ARTIFACT in names_in(wheel_in(project.root / "out"))
    with zipfile.ZipFile(wheel_in(project.root / "out")) as wheel:
        assert wheel.read(ARTIFACT) == (project.root / "hermpkg-out/training/art.pt").read_bytes()


def environment(folder: Folder) -> Path:
    """A virtual environment that sees what is installed here."""
    here = folder.python("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    folder.python("-m", "venv", "--without-pip", "env")
    (packages,) = (folder.root / "env").glob("lib/python*/site-packages")
    (packages / "others.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    return folder.root / "env/bin/python"


@each_backend
def test_a_project_below_the_root_of_its_workspace(backend, make_folder):
    """Its wheel has the artifact; what the artifact is made of cannot be in a source distribution of it."""
    top = make_folder("top", WORKSPACE, {"pyproject.toml": SETTINGS})
    project = Folder(root=top.root / "a project", cache=top.cache, environ=top.environ)
    project.write({**PROJECT, **backend.files, "pyproject.toml": backend.document(with_artifacts=True)})
    project.python("-m", "build", "-q", "--wheel", "--no-isolation", "-o", "out")
    assert ARTIFACT in names_in(wheel_in(project.root / "out"))
    text = project.python("-m", "build", "--sdist", "--no-isolation", "-o", "out", code=1)
    assert "begins outside of the project" in text
    assert "--wheel" in text
    assert not list((project.root / "out").glob("*.tar.gz"))


@each_backend
def test_another_project_of_the_workspace(backend, make_folder):
    """Artifacts of other packages are none of its own: hooks do nothing, our own backend says so."""
    settings = SETTINGS.replace("acme_shop.models", "acme_else.models")
    top = make_folder("top", WORKSPACE, {"pyproject.toml": settings})
    project = Folder(root=top.root / "a project", cache=top.cache, environ=top.environ)
    project.write({**PROJECT, **backend.files, "pyproject.toml": backend.document(with_artifacts=True)})
    asked = not backend.asks_plugins
    text = project.python("-m", "build", "--wheel", "--no-isolation", "-o", "out", code=int(asked))
    if asked:
        assert "has no artifact to put into this project" in text
    else:
        assert ARTIFACT not in names_in(wheel_in(project.root / "out"))


@each_backend
def test_what_cannot_be_built_is_told(backend, make_project):
    """The error is hermpkg's own, with its place and what to do, and no wheel is left behind."""
    project = make_project(backend)
    project.write(
        {"training/BUILD": WORKSPACE["training/BUILD"].replace("training.net:make", "training.net:mak")}
    )
    text = project.python("-m", "build", "--wheel", "--no-isolation", "-o", "out", code=1)
    assert "did you mean" in text
    assert "hermpkg build failed" in text
    assert not list((project.root / "out").glob("*.whl"))


def test_artifacts_of_several_packages(make_folder):
    """Each table of a list is one package of a wheel."""
    (backend,) = (each for each in BACKENDS if each.name == "uv")
    settings = "".join(
        f'[[tool.hermpkg.wheel]]\ntargets = ["//training:art"]\npackage = "{package}"\n'
        for package in ("acme_shop.models", "acme_shop.more", "acme_else")
    )
    document = backend.document(with_artifacts=True) + "[tool.hermpkg]\n" + settings
    project = make_folder("a project", WORKSPACE, PROJECT, {"pyproject.toml": document})
    project.python("-m", "build", "-q", "--no-isolation", "-o", "out")
    added = {name for name in names_in(wheel_in(project.root / "out")) if name.endswith(".pt")}
    assert added == {ARTIFACT, "acme_shop/more/art.pt"}
    with tarfile.open(next((project.root / "out").glob("*.tar.gz"))) as archive:
        assert {member.mode & 0o7777 for member in archive if member.isreg()} == {0o644}
