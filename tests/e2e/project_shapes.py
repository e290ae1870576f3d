"""Projects as people have them: layouts, build tools, and places where data lies."""

from __future__ import annotations

from dataclasses import dataclass, field

PLAIN = """
class Net:
    def __call__(self, x):
        return f"{self.word} {x}"


def make():
    net = Net()
    net.word = WORD
    return net


def example():
    return "you"
"""
TORCH = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = nn.Linear(width, width)

    def forward(self, x):
        return self.inner(x)


def make() -> Net:
    return Net(WIDTH)


def example():
    return torch.ones(2, WIDTH)
"""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A project: its files, the factory, and what ``init`` must find out.

    `packed` are records of the artifact, `roots` the source roots in the settings; `words` are further
    ones for the command line. `folder` is where the project lies.
    """

    files: dict[str, str]
    factory: str
    packed: tuple[str, ...]
    roots: str
    name: str = "sentim"
    folder: str = "project"
    words: tuple[str, ...] = ()
    absent: tuple[str, ...] = field(default=())


def backend(name: str, more: str = "") -> str:
    """A ``pyproject.toml`` with a comment, whose project is built by `name`."""
    return (
        f'# Ours.\n[build-system]\nrequires = []\nbuild-backend = "{name}"  # as always\n\n'
        f'[project]\nname = "sentim"\nversion = "1"\n{more}'
    )


SHAPES = {
    "src, hatchling, data above the source root": Shape(
        files={
            "pyproject.toml": backend("hatchling.build"),
            "src/sentim/__init__.py": "",
            "src/sentim/net.py": "from pathlib import Path\n"
            'WORD = (Path(__file__).parents[2] / "conf/word.txt").read_text()\n' + PLAIN,
            "src/sentim/tests/test_net.py": "import pytest\n",
            "conf/word.txt": "hello",
            "tests/test_more.py": "import pytest\n",
            "node_modules/a/b.py": "import nothing\n",
        },
        factory="sentim.net:make",
        packed=("sentim/net.py", "conf/word.txt"),
        roots='["src", ""]',
        absent=("sentim/tests/test_net.py",),
    ),
    "flat, setuptools, data in the package": Shape(
        files={
            "pyproject.toml": backend(
                "setuptools.build_meta", '\n[tool.setuptools]\npackages = ["sentim"]\n'
            ),
            "sentim/__init__.py": "from sentim.net import make\n",
            "sentim/net.py": "from importlib import resources\n"
            'WORD = resources.files("sentim").joinpath("data/word.txt").read_text()\n' + PLAIN,
            "sentim/data/word.txt": "hello",
            "setup.py": "from setuptools import setup\nsetup()\n",
        },
        factory="sentim:make",
        packed=("sentim/__init__.py", "sentim/net.py", "sentim/data/word.txt"),
        roots='[""]',
    ),
    "another folder, setup.cfg, no pyproject": Shape(
        files={
            "setup.cfg": "[metadata]\nname = sentim\n\n[options]\npackage_dir =\n    = lib\n",
            "lib/sentim/__init__.py": "",
            "lib/sentim/net.py": "from sentim.words import WORD\n" + PLAIN,
            "lib/sentim/words.py": "WORD = 'hello'\n",
            "lib/sentim/no-module.py": "raise SystemExit\n",
        },
        factory="sentim.net:make",
        packed=("sentim/net.py", "sentim/words.py"),
        roots='["lib", ""]',
    ),
    "poetry, packages from": Shape(
        files={
            "pyproject.toml": '[tool.poetry]\nname = "sentim"\n'
            'packages = [{include = "nets", from = "python"}]\n',
            "python/nets/__init__.py": "",
            "python/nets/net.py": "WORD = 'hello'\n" + PLAIN,
        },
        factory="nets.net:make",
        packed=("nets/net.py",),
        roots='["python", ""]',
    ),
    "files by paths from the folder one works in": Shape(
        files={
            "setup.py": "from setuptools import setup\n\nsetup(name='sentim')\n",
            "conf/base.txt": "more/",
            "conf/more/word.txt": "hello",
            "app.py": "import os\n"
            + PLAIN.replace(
                "WORD", "open('conf/' + open('conf/base.txt').read() + os.listdir('conf/more')[0]).read()"
            ),
        },
        factory="app:make",
        packed=("app.py", "conf/base.txt", "conf/more/word.txt"),
        roots='[""]',
    ),
    "flit, one module with the usual name": Shape(
        files={"pyproject.toml": backend("flit_core.buildapi"), "model.py": "WORD = 'hello'\n" + PLAIN},
        factory="model:make",
        packed=("model.py",),
        roots='[""]',
    ),
    "PDM, several packages, arguments": Shape(
        files={
            "pyproject.toml": backend("pdm.backend", '\n[tool.pdm.build]\npackage-dir = "src"\n'),
            "src/sentim/__init__.py": "",
            "src/sentim/net.py": "import tables.words\n"
            + PLAIN.replace("WORD", "tables.words.WORDS[kind]").replace("def make()", "def make(kind)"),
            "src/tables/__init__.py": "",
            "src/tables/words.py": "WORDS = {'loud': 'HELLO'}\n",
        },
        factory="sentim.net:make",
        packed=("sentim/net.py",),
        roots='["src", ""]',
        words=("--arg", 'kind="loud"', "--name", "loud"),
        name="loud",
    ),
    "uv, flat, a script with weights, torch": Shape(
        files={
            "pyproject.toml": backend("uv_build", '\n[tool.uv.build-backend]\nmodule-root = ""\n'),
            "sentim/__init__.py": "",
            "sentim/net.py": "WIDTH = 3\n" + TORCH,
            "save.py": "import torch\nfrom sentim.net import make\n"
            "def save():\n    torch.save(make().state_dict(), 'weights.pt')\n",
        },
        factory="sentim.net:make",
        packed=("sentim/net.py",),
        roots='[""]',
        words=("--weights", "weights.pt"),
    ),
    "no build tool, a notebook and a folder of models": Shape(
        files={
            "explore.ipynb": "{}",
            "models/net.py": "import json\nfrom pathlib import Path\n"
            'WORD = json.loads((Path(__file__).parent / "words.json").read_text())["first"]\n' + PLAIN,
            "models/words.json": '{"first": "hello"}',
        },
        factory="models/net.py:make",
        packed=("models/net.py", "models/words.json"),
        roots='[""]',
        name="project",
    ),
    "scripts in a folder of their own, blanks and accents": Shape(
        files={
            "code/train.py": "from nets import words\nWORD = words.WORD\n" + PLAIN,
            "code/nets/words.py": "WORD = 'héllo'\n",
            "données/ä b.txt": "x",
        },
        factory="train:make",
        packed=("train.py",),
        roots='["code", ""]',
        folder="mes projets/été 1",
        name="t_1",
    ),
    "a monorepo of Bazel, code of another project": Shape(
        files={
            "MODULE.bazel": "",
            "services/a/src/svc/model.py": "from common.words import WORD\n" + PLAIN,
            "services/a/src/svc/__init__.py": "",
            "services/a/pyproject.toml": '[project]\nname = "svc"\nversion = "1"\n',
            "libs/common/src/common/__init__.py": "",
            "libs/common/src/common/words.py": "WORD = 'hello'\n",
            "libs/common/pyproject.toml": '[project]\nname = "common"\nversion = "1"\n',
        },
        factory="svc.model:make",
        packed=("svc/model.py", "common/words.py"),
        roots='["libs/common/src", "services/a/src", "libs/common", "services/a", ""]',
        folder="mono",
        name="mono",
    ),
    "a folder of a monorepo, a namespace package": Shape(
        files={
            "../pyproject.toml": "[tool.ruff]\n",
            "../other/net.py": "raise SystemExit\n",
            "pyproject.toml": backend(
                "hatchling.build", '\n[tool.hatch.build.targets.wheel]\npackages = ["src/acme"]\n'
            ),
            "src/acme/nets/net.py": "WORD = 'hello'\n" + PLAIN,
        },
        factory="acme.nets.net:make",
        packed=("acme/nets/net.py",),
        roots='["src", ""]',
        folder="repository/packages/sentim",
    ),
}
