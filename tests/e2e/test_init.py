"""``init``: projects of many shapes become workspaces whose artifacts run elsewhere."""

from __future__ import annotations

import shlex
import shutil
import zipfile

import pytest

from hermpkg_build import PackageImporter
from tests.e2e.project_shapes import SHAPES, TORCH


@pytest.fixture
def project(tmp_path, make_workspace):
    """Makes the project of a shape, with its own cache."""

    def make(shape):
        made = make_workspace(tmp_path / shape.folder, tmp_path / "cache")
        for path, text in shape.files.items():
            made.write(path, text)
        if "weights.pt" in shape.words:
            save_weights(made)
        return made

    return make


def save_weights(workspace):
    import torch

    torch.save({"inner.weight": torch.eye(3), "inner.bias": torch.zeros(3)}, workspace.root / "weights.pt")


@pytest.mark.parametrize("name", SHAPES)
def test_a_project_becomes_a_workspace_in_one_call(project, tmp_path, name):
    shape = SHAPES[name]
    made = project(shape)
    before = shape.files.get("pyproject.toml", "")
    outcome = made.run("init", shape.factory, *shape.words)
    assert outcome.code == 0, outcome.stdout + outcome.stderr
    assert "warning" not in outcome.stderr
    assert outcome.stdout.endswith(
        f"from now on:\n  hermpkg //:{shape.name}\n  hermpkg test //:{shape.name}_test\n"
    )
    settings = (made.root / "pyproject.toml").read_text()
    assert settings.startswith(before)
    assert f"[tool.hermpkg]\nsource-roots = {shape.roots}\n" in settings

    again = made.run("init", shape.factory, *shape.words)
    assert again.code == 2, again.stderr
    built = made.build(f"//:{shape.name}")
    assert built.target["status"] == "up-to-date"

    artifact = shutil.copy(made.root / built.target["path"], tmp_path / "moved.pt")
    shutil.rmtree(made.root)
    with zipfile.ZipFile(artifact) as archive:
        records = {record.partition("/")[2] for record in archive.namelist()}
    assert {*shape.packed} <= records
    assert records.isdisjoint(shape.absent)
    with PackageImporter(artifact) as importer:
        folder = "model_1" if "model.py" in shape.files else "model"
        model = importer.load_pickle(folder, "model.pkl")
        if TORCH in "".join(shape.files.values()):
            assert model.inner.weight.shape[0] == 3
        else:
            assert model("you").lower() in ("hello you", "héllo you")


NET = "class Net:\n    def __call__(self, x):\n        return x\n\ndef make():\n    return Net()\n"


def files_of(workspace):
    found = {path: path.read_bytes() for path in workspace.root.rglob("*") if path.is_file()}
    return {path: data for path, data in found.items() if "hermpkg-out" not in path.parts}


@pytest.fixture
def plain(tmp_path, make_workspace):
    made = make_workspace(tmp_path / "plain", tmp_path / "cache")
    made.write("net.py", NET)
    return made


def test_what_it_proposes_is_pasted_and_builds(plain):
    """Also where the imports of the file tell that its module has a shorter name."""
    (plain.root / "net.py").unlink()
    plain.write("code/nets/words.py", "WORD = 1\n")
    plain.write("code/train.py", "from nets.words import WORD\n\n" + NET.replace("make", "make_net"))
    told = plain.run("init")
    assert told.code == 2
    pasted = plain.run(*shlex.split(told.stderr.strip().splitlines()[-1])[1:])
    assert pasted.code == 0, pasted.stderr
    assert 'factory = "train:make_net"' in (plain.root / "BUILD").read_text()


def test_a_dry_run_shows_the_files_and_writes_none(plain):
    before = files_of(plain)
    outcome = plain.run("init", "net:make", "--dry-run", "--json")
    assert outcome.code == 0, outcome.stderr
    assert files_of(plain) == before
    assert {*outcome.json["files"]} == {"BUILD", "check_artifact.py", "pyproject.toml"}
    assert outcome.json["commands"] == ["hermpkg //:plain", "hermpkg test //:plain_test"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def make():\n    raise ValueError('no luck')\n", "no luck"),
        ("def make(a):\n    return a\n", "--arg a=..."),
        ("def other():\n    return 1\n", "net has no make"),
        ("def make(:\n", "net.py:1"),
        ("def make():\n    {'forgot': 'return'}\n", "net:make returns None, which is no model"),
    ],
)
def test_a_factory_that_fails_leaves_the_project_as_it_was(plain, text, words):
    plain.write("net.py", text)
    before = files_of(plain)
    outcome = plain.run("init", "net:make")
    assert outcome.code in (1, 2)
    assert words in outcome.stderr
    assert files_of(plain) == before


def test_nothing_is_overwritten_unless_it_is_asked_for(plain):
    plain.write("BUILD", "# mine\n")
    plain.write("check_artifact.py", "# mine, too\n")
    plain.write("check_plain.py", "# and that\n")
    before = files_of(plain)
    outcome = plain.run("init", "net:make")
    assert outcome.code == 2
    assert "move it" in outcome.stderr
    assert files_of(plain) == before
    (plain.root / "check_plain.py").unlink()
    assert plain.run("init", "net:make").code == 0
    now = files_of(plain)
    assert now[plain.root / "BUILD"].startswith(b"# mine\n")
    assert now[plain.root / "check_artifact.py"] == b"# mine, too\n"
    assert plain.run("init", "net:make", "--force").code == 0
    assert "mine" not in (plain.root / "BUILD").read_text()


def test_a_project_with_another_name_has_its_artifact_all_the_same(plain):
    assert plain.run("init", "net:make").code == 0
    settings = (plain.root / "pyproject.toml").read_text()
    plain.write("pyproject.toml", f'[project]\nname = "renamed"\nversion = "1"\n{settings}')
    outcome = plain.run("init", "net:make")
    assert outcome.code == 2
    assert "build it: hermpkg //:plain, or" in outcome.stderr
    assert plain.run("init", "net:make", "--name", "other").code == 0
    assert 'name = "other"' in (plain.root / "BUILD").read_text()


def test_files_of_a_killed_call_are_taken_for_its_own(plain):
    written = plain.run("init", "net:make", "--dry-run", "--json").json["files"]
    plain.write("BUILD", written["BUILD"])
    assert plain.run("init", "net:make").code == 0


def test_where_the_test_fails_the_files_stay(plain):
    plain.write("net.py", NET + "\ndef example():\n    raise ValueError('no example')\n")
    outcome = plain.run("init", "net:make")
    assert outcome.code == 3
    assert "no example" in outcome.stderr
    assert "the files stay: correct them, then run hermpkg test //:plain_test" in outcome.stderr
    plain.write("net.py", NET + "\ndef example():\n    return 1\n")
    assert plain.run("test", "//:plain_test").code == 0


SECOND = {
    "src/app/nets/other.py": (
        "import json\nfrom app.common import base\nfrom tools.extra import more\n\n"
        "def make(path='data/two.json'):\n    net = base()\n"
        "    net.words = json.load(open(path)) + [more()]\n    return net\n"
    ),
    "src/app/common.py": "class Net:\n    def __call__(self, x):\n        return self.words\n\n"
    "def base():\n    return Net()\n",
    "src/app/__init__.py": "",
    "src/app/nets/__init__.py": "",
    "src/tools/__init__.py": "",
    "src/tools/extra.py": "def more():\n    return 'more'\n",
    "data/two.json": '["one", "two"]',
}


def built_words(workspace, name):
    target = workspace.build(f"//:{name}").target
    with PackageImporter(workspace.root / target["path"]) as importer:
        return importer.load_pickle("model", "model.pkl")(0)


@pytest.mark.parametrize(
    "before",
    [
        {},
        {"src/app/BUILD": 'python_modules(\n    name = "own",\n    srcs = ["common.py"],\n)\n'},
        {"src/app/BUILD.bazel": '# ours\npython_modules(name = "all", srcs = glob(["**/*.py"]))\n'},
        {"data/BUILD": "# none is exported\n", "BUILD": "# the root's\n"},
        {"src/app/nets/BUILD": 'python_modules(name = "nets", srcs = ["__init__.py", "other.py"])\n'},
        {"MODULE.bazel": "", "src/tools/BUILD": 'python_modules(name = "tools", srcs = ["extra.py"])\n'},
    ],
    ids=lambda before: " ".join(before) or "its own first call",
)
def test_an_artifact_joins_what_build_files_say_already(plain, before):
    for path, text in {**SECOND, "src/app/first.py": NET}.items():
        plain.write(path, text)
    for path, text in before.items():
        is_ours = "python_modules" in text
        load = 'load("@hermpkg//rules:defs.bzl", "python_modules")\n\n' if is_ours else ""
        plain.write(path, load + text)
    if not before:
        plain.write("pyproject.toml", '[tool.hermpkg]\nsource-roots = ["src", ""]\n')
        assert plain.run("init", "app.first:make").code == 0
        first = plain.build("//:plain").target["sha256"]
        taken = plain.run("init", "app.nets.other:make")
        assert taken.code == 2
        assert "hermpkg init app.nets.other:make --name make" in taken.stderr
        misspelt = plain.run("init", "app.nets.other:maek")
        assert misspelt.code == 2
        assert (
            "src/app/nets/other.py defines no maek\n  -> did you mean 'app.nets.other:make'?"
            in misspelt.stderr
        )
    outcome = plain.run("init", "app.nets.other:make", "--name", "other")
    assert outcome.code == 0, outcome.stdout + outcome.stderr
    for path, text in before.items():
        lines = (plain.root / path).read_text().splitlines()
        assert all(line in lines for line in text.splitlines() if line.startswith("#"))
    assert built_words(plain, "other") == ["one", "two", "more"]
    assert plain.run("test", "//:other_test").code == 0
    assert plain.run("init", "app.nets.other:make", "--name", "other").code == 2
    if not before:
        assert (plain.root / "BUILD").read_text().count("data/two.json") == 1
        assert plain.build("//:plain").target["sha256"] == first
        assert plain.run("test", "//:plain_test").code == 0


def test_a_folder_that_is_looked_for_gives_its_data_and_none_of_its_modules(plain):
    """Modules are packed by imports; those that nothing imports are no resources of others."""
    plain.write("src/app/__init__.py", "")
    plain.write("src/app/train.py", "import no_such_library\n")
    plain.write("src/app/words.txt", "one")
    looks = "    import os\n    assert 'words.txt' in os.listdir('src/app')\n    return"
    plain.write("src/app/net.py", NET.replace("    return Net", f"{looks} Net"))
    outcome = plain.run("init", "app.net:make")
    assert outcome.code == 0, outcome.stdout + outcome.stderr
    target = plain.build("//:plain").target
    with zipfile.ZipFile(plain.root / target["path"]) as archive:
        records = {name.partition("/")[2] for name in archive.namelist()}
    assert {"app/net.py", "app/words.txt"} <= records
    assert "app/train.py" not in records


def test_a_build_file_that_only_bazel_reads_is_told_before_anything_is_written(plain):
    plain.write("MODULE.bazel", 'bazel_dep(name = "hermpkg")\n')
    plain.write("src/app/net.py", NET)
    plain.write("src/app/__init__.py", "")
    plain.write("src/app/BUILD", 'py_library(\n    name = "app",\n    srcs = glob(["*.py"]),\n)\n')
    before = files_of(plain)
    outcome = plain.run("init", "app.net:make")
    assert outcome.code == 1, outcome.stderr
    assert "src/app/BUILD:1:1: name 'py_library' is not defined" in outcome.stderr
    assert files_of(plain) == before
    _, _, step = outcome.stderr.rpartition(" in pyproject.toml:\n")
    settings = "\n".join(line.strip() for line in step.splitlines()[:2])
    plain.write("pyproject.toml", settings)
    outcome = plain.run("init", "app.net:make")
    assert outcome.code == 2, outcome.stdout + outcome.stderr
    assert "app.net is in src, and modules of this workspace do not count from there" in outcome.stderr
    line = outcome.stderr.splitlines()[-1].strip()
    assert line == 'source-roots = ["src", ""]'
    plain.write("pyproject.toml", f"{settings}\n{line}\n")
    outcome = plain.run("init", "app.net:make")
    assert outcome.code == 0, outcome.stdout + outcome.stderr


def test_libraries_are_decided_otherwise_by_name(plain):
    """As for `pack`, before the table; a name of nothing is told before any file is written."""
    plain.write("net.py", "import packaging.version\n" + NET)
    wrong = plain.run("init", "net:make", "--extern", "packagin")
    assert (wrong.code, (plain.root / "BUILD").exists()) == (2, False)
    assert "did you mean 'packaging'?" in wrong.stderr
    both = plain.run("init", "net:make", "--extern", "packaging", "--intern", "packaging")
    assert both.code == 2
    assert "packaging cannot be both packed and left outside" in both.stderr
    for option in ("extern", "intern"):
        outcome = plain.run("init", "net:make", "--force", f"--{option}", "packaging")
        assert outcome.code == 0, outcome.stderr
        assert (
            "packaging.**" in (plain.root / "BUILD").read_text().partition(f"{option}(")[2].partition(")")[0]
        )


def test_a_configuration_that_is_python_is_a_resource(plain):
    """What is read and not imported, and lies where no modules are declared."""
    plain.write("configs/base.py", "WORD = 'hello'\n")
    plain.write(
        "nets/net.py",
        "import runpy\nfrom pathlib import Path\n"
        'WORD = runpy.run_path(str(Path(__file__).parents[1] / "configs/base.py"))["WORD"]\n' + NET,
    )
    outcome = plain.run("init", "nets/net.py:make")
    assert outcome.code == 0, outcome.stderr
    assert "configs/base.py: the factory read them" in outcome.stdout
    assert "warning" not in outcome.stderr


READING = """
from pathlib import Path
FOLDER = Path(__file__).parent

class Net:
    def __init__(self):
        self.data = [path.read_bytes() for path in sorted(FOLDER.glob("data/*"))]

def make():
    return Net()
"""


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"last.pt": "saved", "a.bin": "other"}, "did not read last.pt"),
        ({"data/a.pt": "saved"}, "with --weights data/a.pt"),
        ({"data/a.pt": "saved", "data/b.pt": "saved"}, "data/a.pt, data/b.pt is packed beside"),
        ({"data/a.bin": "other", "data/b.pt": "other", "tests/c.pt": "saved"}, ""),
    ],
    ids=["not read", "read", "two read", "other data"],
)
def test_weights_that_nobody_asked_for_are_told_of(plain, files, words):
    """Those of a model that was made and not trained may be what is packed."""
    import torch

    plain.write("net.py", READING)
    for path, kind in files.items():
        plain.write(path, "other")
        if kind == "saved":
            torch.save({"a": torch.ones(1)}, plain.root / path)
    outcome = plain.run("init", "net:make", "--dry-run")
    assert outcome.code == 0, outcome.stderr
    assert words in outcome.stderr
    assert ("--weights" in outcome.stderr) == (words != "" and len(files) < 3 and "data/b.pt" not in files)
    assert words or "warning" not in outcome.stderr


def test_a_folder_of_notebooks_is_told_to_pack_in_a_cell(plain):
    (plain.root / "net.py").unlink()
    plain.write("train.ipynb", "{}")
    outcome = plain.run("init")
    assert outcome.code == 2
    assert "train.ipynb" in outcome.stderr
    assert 'hermpkg_build.pack(model, "model.pt")' in outcome.stderr


def test_a_model_that_cannot_be_called_is_not_called_by_the_test(plain):
    """As where the function returns two models by their names."""
    text = NET.replace("return Net()", 'return {"one": Net(), "two": Net()}')
    plain.write("net.py", text + "\ndef example():\n    return 1\n")
    outcome = plain.run("init", "net:make")
    assert outcome.code == 0, outcome.stdout + outcome.stderr
    assert (
        "check_artifact.py loads the model: no dict can be called, as with example() of net" in outcome.stdout
    )
    assert "output = model" not in (plain.root / "check_artifact.py").read_text()


SPARING = """
import importlib.util

import lib


def has(name):
    return importlib.util.find_spec(name) is not None


class Model:
    def __init__(self, asks):
        self.asks = asks

    def __call__(self, x):
        return [x, lib.answer(), has("extra") if self.asks else None]


def make(asks=False):
    return Model(asks)


def example():
    return 1
"""


@pytest.fixture
def sparing(plain, tmp_path):
    """A project whose library can do without another one, which is installed."""
    lib = "try:\n    import guarded\nexcept ImportError:\n    pass\n\ndef answer():\n    return 42\n\n"
    install(tmp_path / "site", "lib", f"{lib}def more():\n    import extra\n")
    install(tmp_path / "site", "guarded", "")
    install(tmp_path / "site", "extra", "")
    plain.write("net.py", SPARING)
    return plain


def install(site, name, text):
    information = site / f"{name}-1.0.dist-info"
    information.mkdir(parents=True)
    (site / f"{name}.py").write_text(text)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (information / "RECORD").write_text(f"{name}.py,,\n")


@pytest.mark.parametrize(
    ("words", "name"), [("", "extra"), ("--extern extra", "extra"), ("--extern guarded", "guarded")]
)
def test_what_the_example_does_without_is_left_out_and_need_not_be_there(
    sparing, tmp_path, words, name, recwarn, monkeypatch
):
    site = {"PYTHONPATH": str(tmp_path / "site")}
    outcome = sparing.run("init", "net:make", *words.split(), env=site)
    assert outcome.code == 0, outcome.stdout + outcome.stderr
    build = (sparing.root / "BUILD").read_text()
    optional = build.partition("extern(")[2].partition("optional = True")[0]
    assert f'"{name}.**"' in optional
    assert '"lib.**"' in build
    artifact = (sparing.root / "hermpkg-out/plain.pt").read_bytes()
    shutil.rmtree(tmp_path / f"site/{name}-1.0.dist-info")
    (tmp_path / f"site/{name}.py").unlink()
    assert sparing.run("//:plain", env=site).code == 0
    assert (sparing.root / "hermpkg-out/plain.pt").read_bytes() == artifact
    monkeypatch.syspath_prepend(tmp_path / "site")
    with PackageImporter(sparing.root / "hermpkg-out/plain.pt") as importer:
        assert importer.load_pickle("model", "model.pkl")(1) == [1, 42, None]
        if name == "extra":
            with pytest.raises(ModuleNotFoundError, match="extra"):
                importer.import_module("lib").more()
    assert not recwarn.list


SEVERAL = """
import importlib.util
import os

import lib


class Model:
    def __init__(self, kind):
        self.kind = kind

    def __call__(self, x):
        if self.kind == "fails" and importlib.util.find_spec("fifth") is None:
            raise ModuleNotFoundError("No module named 'fifth'", name="fifth")
        if self.kind == "either":
            there = [importlib.util.find_spec(name) is not None for name in ("first", "fifth")]
            return [x, any(there)]
        wanted = {"one": ["third"], "two": ["first", "fifth"]}.get(self.kind, [])
        there = [importlib.util.find_spec(name) is not None for name in wanted]
        return [x, *there, os.urandom(8) if self.kind == "another" else None]


def make(kind):
    return Model(kind)


def example():
    return 1
"""
NAMES = ["first", "second", "third", "fourth", "fifth"]


@pytest.mark.parametrize(
    ("kind", "needed"),
    [
        ("one", ["third"]),
        ("two", ["fifth", "first"]),
        ("either", ["first"]),
        ("fails", ["fifth"]),
        ("another", NAMES),
    ],
)
def test_only_what_matters_of_what_the_example_did_not_load_is_required(plain, tmp_path, kind, needed):
    """Found by runs without parts of it; where the model is another each time, all of it is."""
    imports = "".join(f"def {name}():\n    import {name}\n" for name in NAMES)
    for name in NAMES:
        install(tmp_path / "site", name, "")
    install(tmp_path / "site", "lib", imports)
    plain.write("net.py", SEVERAL)
    words = ["--arg", f'kind="{kind}"', "--dry-run"]
    outcome = plain.run("init", "net:make", *words, env={"PYTHONPATH": str(tmp_path / "site")})
    assert outcome.code == 0, outcome.stdout + outcome.stderr
    optional = outcome.stdout.partition("extern(")[2].partition("optional = True")[0]
    assert [name for name in sorted(NAMES) if f'"{name}.**"' not in optional] == sorted(needed)
    is_told = f"needed{'':14}{', '.join(needed)}: the example did not load it" in outcome.stdout
    assert is_told == (kind != "another"), outcome.stdout
    assert ("was not found out" in outcome.stderr) == (kind == "another")


@pytest.mark.parametrize("fault", ["asks", "no example"])
def test_what_may_matter_is_no_less_than_without_an_example(sparing, tmp_path, fault):
    """Where the outputs are others without it, and where nothing has shown that they are not."""
    if fault == "no example":
        sparing.write("net.py", SPARING.replace("def example", "def other"))
    words = ["--arg", "asks=true"] if fault == "asks" else []
    outcome = sparing.run("init", "net:make", *words, env={"PYTHONPATH": str(tmp_path / "site")})
    assert outcome.code == 0, outcome.stdout + outcome.stderr
    build = (sparing.root / "BUILD").read_text()
    assert "optional" not in build
    assert '"extra.**"' in build
