"""Projects of every build backend, each with a model that needs no torch, and the real tools run on them."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.commands import printed_by

REPOSITORY = Path(__file__).resolve().parents[2]
MAKE = REPOSITORY / "hermpkg_build/runtime/distribution/make.py"

RULES = 'load("@hermpkg//rules:defs.bzl", "deny", "intern", "model", "model_package", "python_modules")\n'
WORKSPACE: Mapping[str, str] = {
    "training/BUILD": RULES
    + """
load("//tools:m.bzl", "artifact")
python_modules(name = "modules", srcs = glob(["*.py"]))
model(name = "net", factory = "training.net:make", deps = [":modules"])
artifact(name = "art", models = {"model/model.pkl": ":net"}, deps = [":modules"])
""",
    "training/__init__.py": "",
    "training/net.py": """
        import os

        class Net:
            def __init__(self, words):
                self.words = words

        def make():
            with open(os.path.join(os.path.dirname(__file__), "data", "words.txt")) as file:
                return Net(file.read().split())
        """,
    "training/data/words.txt": "one two\n",
    "tools/BUILD": "",
    "tools/m.bzl": RULES
    + """

def artifact(name, **more):
    model_package(name = name, policy = [intern("training.**"), deny("**")], **more)
""",
}
PROJECT: Mapping[str, str] = {
    "src/acme_shop/__init__.py": '"""A shop."""\n',
    "src/acme_shop/models/__init__.py": "",
    "src/acme_shop/models/labels.csv": "a,b\n",
    "README.md": "A shop\n",
}
METADATA = (
    '[project]\nname = "acme-shop"\nversion = "1"\ndescription = "A shop"\nrequires-python = ">=3.10"\n'
)
SETTINGS = (
    '[tool.hermpkg]\n[tool.hermpkg.wheel]\ntargets = ["//training:art"]\npackage = "acme_shop.models"\n'
)
ARTIFACT = "acme_shop/models/art.pt"


@dataclass(frozen=True)
class Backend:
    """A build backend as a project names it, what else it asks of one, and what artifacts ask.

    `program` is what must be there beside Python; not `is_reproducible` is what makes other bytes by itself.
    """

    name: str
    requires: str
    backend: str
    more: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    for_artifacts: str = ""
    asks_plugins: bool = False
    is_reproducible: bool = True
    program: str = ""

    def document(self, *, with_artifacts: bool) -> str:
        """The tables of pyproject.toml that are the project's own."""
        requires, backend = f'"{self.requires}"', self.backend
        if with_artifacts:
            requires += ', "hermpkg-build"'
            backend = backend if self.asks_plugins else "hermpkg_build.backend"
        text = f'[build-system]\nrequires = [{requires}]\nbuild-backend = "{backend}"\n{METADATA}{self.more}'
        return text + (self.for_artifacts if with_artifacts else "")


MESON = """
project('acme-shop', version: '1')
python = import('python').find_installation(pure: true)
install_subdir('src/acme_shop', install_dir: python.get_install_dir())
"""
CMAKE = "cmake_minimum_required(VERSION 3.15)\nproject(acme_shop LANGUAGES NONE)\n"
MATURIN = """
[tool.maturin]
bindings = "bin"
module-name = "acme_shop"
python-source = "src"
"""
CARGO = """
[package]
name = "acme-shop"
version = "1.0.0"
edition = "2021"

[[bin]]
name = "acme-hello"
path = "rust/main.rs"
"""
BACKENDS = [
    Backend("setuptools", "setuptools>=77", "setuptools.build_meta", asks_plugins=True,
            more='[tool.setuptools.package-data]\nacme_shop = ["**/*.csv"]\n'),
    Backend("hatchling", "hatchling", "hatchling.build", asks_plugins=True,
            for_artifacts="[tool.hatch.build.hooks.hermpkg]\n"),
    Backend("pdm", "pdm-backend", "pdm.backend", asks_plugins=True),
    Backend("uv", "uv_build", "uv_build"),
    Backend("poetry", "poetry-core>=2", "poetry.core.masonry.api",
            more='[tool.poetry]\npackages = [{ include = "acme_shop", from = "src" }]\n'),
    Backend("flit", "flit_core>=3.11", "flit_core.buildapi", more='[tool.flit.module]\nname = "acme_shop"\n'),
    Backend("meson", "meson-python", "mesonpy", files={"meson.build": MESON}),
    Backend("scikit-build", "scikit-build-core", "scikit_build_core.build", files={"CMakeLists.txt": CMAKE}),
    Backend("py-build-cmake", "py-build-cmake>=0.5", "py_build_cmake.build",
            more='[tool.py-build-cmake.module]\nname = "acme_shop"\ndirectory = "src"\n'),
    Backend("maturin", "maturin>=1.7", "maturin", more=MATURIN,
            files={"Cargo.toml": CARGO, "rust/main.rs": "fn main() {}\n"},
            is_reproducible=False, program="cargo"),
]  # fmt: skip


@dataclass(frozen=True)
class Folder:
    """A folder with a project, and commands run in it."""

    root: Path
    cache: Path
    environ: Mapping[str, str]

    def write(self, files: Mapping[str, str]) -> None:
        """Write files, by their paths."""
        for path, text in files.items():
            target = self.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(textwrap.dedent(text), encoding="utf-8")

    def run(self, *words: str | Path, code: int = 0) -> str:
        """Run a program in the folder; all that it prints."""
        environment = {**self.environ, "HERMPKG_CACHE_DIR": str(self.cache)}
        return printed_by([*map(str, words)], cwd=self.root, env=environment, code=code)

    def python(self, *words: str | Path, code: int = 0) -> str:
        """Run Python with `words`; all that it prints."""
        return self.run(sys.executable, *words, code=code)

    def commit(self) -> None:
        """Make a repository of the folder: meson makes source distributions of what is committed."""
        self.run("git", "init", "-q")
        self.run("git", "add", ".")
        self.run("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a")


def wheel_in(folder: Path) -> Path:
    """The only wheel in a folder."""
    (wheel,) = folder.glob("*.whl")
    return wheel


def names_in(wheel: Path) -> set[str]:
    """The names of the files in a wheel, all of which its RECORD lists with what they are."""
    with zipfile.ZipFile(wheel) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        assert len(names) == len({*names})
        (record,) = [name for name in names if name.endswith(".dist-info/RECORD")]
        rows = [*csv.reader(io.StringIO(archive.read(record).decode()))]
        assert sorted(row[0] for row in rows) == sorted(names)
        for name, digest, size in rows:
            if name != record:
                data = archive.read(name)
                found = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                assert (digest, size) == (f"sha256={found}", str(len(data)))
    return {*names}


def sources_in(folder: Path) -> set[str]:
    """The files of the only source distribution in a folder, without the folder that they are in."""
    (source,) = folder.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        return {member.name.partition("/")[2] for member in archive.getmembers() if member.isreg()}


@pytest.fixture(scope="session")
def wheels_of_all(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels of this project, of what it needs, and of all backends."""
    folder = tmp_path_factory.mktemp("wheels of all")
    subprocess.run([sys.executable, MAKE, folder], check=True, stdout=subprocess.DEVNULL)
    words = ["download", "-qq", "--only-binary", ":all:", "--dest", folder, "--find-links", folder]
    words += ["hermpkg-build", "-r", Path(__file__).with_name("requirements.txt")]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)
    return folder


@pytest.fixture
def environ(wheels_of_all: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which installers find nothing but `wheels_of_all`, and archives are reproducible."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    return {
        **kept,
        # uv leaves locks there.
        "TMPDIR": str(tmp_path_factory.mktemp("temporary")),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": wheels_of_all.as_uri(),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "UV_NO_CONFIG": "1",
        "UV_NO_INDEX": "1",
        "UV_OFFLINE": "1",
        "UV_FIND_LINKS": str(wheels_of_all),
        "UV_NO_CACHE": "1",
        "SOURCE_DATE_EPOCH": "1700000000",
    }


@pytest.fixture
def make_folder(environ: dict[str, str], tmp_path: Path):
    """Makes a folder with files in it."""

    def make(name: str, *files: Mapping[str, str]) -> Folder:
        folder = Folder(root=tmp_path / name, cache=tmp_path / "cache", environ=environ)
        folder.root.mkdir(parents=True)
        for each in files:
            folder.write(each)
        return folder

    yield make
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)


@pytest.fixture
def make_project(make_folder):
    """Makes the project of a backend, at the root of its workspace."""

    def make(backend: Backend, name: str = "a project", *, with_artifacts: bool = True) -> Folder:
        document = backend.document(with_artifacts=with_artifacts) + (SETTINGS if with_artifacts else "")
        return make_folder(name, WORKSPACE, PROJECT, backend.files, {"pyproject.toml": document})

    return make
