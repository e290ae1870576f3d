"""``pack``: one line of Python, one command, and what they say where a model cannot be packed."""

import json
import py_compile
import re
import shlex
import subprocess
import sys
import textwrap
import zipfile

import pytest

from hermpkg_build import PackageImporter
from hermpkg_build.runtime.contents.checks import ArtifactEnvironmentError
from tests.commands import run_command


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))


def python(folder, *words, code=0):
    done = subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done


def hermpkg(folder, *words, code=0):
    done = run_command(words, cwd=folder)
    assert done.returncode == code, done.stderr
    return done


def module_text(file, name):
    with zipfile.ZipFile(file) as archive:
        return archive.read(f"archive/{name}").decode()


def test_what_is_compiled_of_ones_own_code_stays_outside_of_the_rest(folder, monkeypatch):
    write(folder / "net/__init__.py", "")
    write(folder / "net/fast.py", "def answer():\n    return 42\n")
    py_compile.compile(folder / "net/fast.py", folder / "net/fast.pyc")
    (folder / "net/fast.py").unlink()
    write(folder / "net/other.py", "")
    write(
        folder / "net/model.py",
        """
        from net import fast, other

        class Model:
            def __call__(self):
                return fast.answer()

        def make():
            return Model()
        """,
    )
    said = hermpkg(folder, "pack", "net.model:make", "-o", "m.pt").stdout
    assert "and, as a wheel of your own, what is compiled of your code: net.fast" in said
    with pytest.raises(ArtifactEnvironmentError, match=r"net\.fast: cannot be found"):
        PackageImporter(folder / "m.pt")
    monkeypatch.syspath_prepend(folder)
    assert PackageImporter(folder / "m.pt").load_pickle("model", "model.pkl")() == 42


def test_a_script_packs_what_it_defines(folder):
    write(
        folder / "train.py",
        """
        import json
        from dataclasses import dataclass

        import hermpkg_build
        from helpers import double

        print("trained once")
        OFFSET = 40 + 2

        @dataclass
        class Answer:
            value: int

        class Model:
            def __call__(self, question):
                return Answer(double(len(question.text)) + OFFSET)

        class Question:
            def __init__(self, text):
                self.text = text

        report = hermpkg_build.pack(Model(), "model.pt", example=(Question("why"),))
        print(json.dumps(report.to_json()))
        """,
    )
    write(folder / "helpers.py", "def double(x):\n    return 2 * x\n")
    first, report = python(folder, "train.py").stdout.splitlines()
    assert first == "trained once"
    report = json.loads(report)
    assert report["verified"]["parts"] == 2
    assert {d["name"]: d["policy"] for d in report["decisions"]} == {
        "helpers": "intern",
        "train_main": "intern",
    }
    assert "hermpkg_build" not in module_text("model.pt", "train_main.py")
    (folder / "helpers.py").unlink()
    with PackageImporter("model.pt") as importer:
        question = importer.import_module("train_main").Question("why")
        assert importer.load_pickle("model", "model.pkl")(question).value == 48


def test_cells_of_a_notebook_are_packed(folder):
    cells = [
        "LIMIT = 3\nimport json",
        "class Model:\n    def __call__(self):\n        return json.dumps(LIMIT)\n",
    ]
    write(
        folder / "kernel.py",
        f"""
        import linecache
        for number, cell in enumerate({cells!r}):
            name = f"/tmp/ipykernel_1/{{number}}.py"
            linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
            exec(compile(cell, name, "exec"))
        del __file__
        import hermpkg_build
        hermpkg_build.pack(Model(), "model.pt", example=())
        """,
    )
    python(folder, "kernel.py")
    assert "LIMIT = 3" in module_text("model.pt", "notebook_main.py")


def test_the_command_packs_what_a_function_returns(folder):
    write(
        folder / "app/model.py",
        """
        import os

        WORDS = os.path.join(os.path.dirname(__file__), "words.txt")

        class Model:
            def __init__(self, times):
                self.times = times

            def __call__(self, word):
                with open(WORDS) as file:
                    return [word in file.read()] * self.times

        def make(times=1):
            print("made")
            return Model(times)

        def example():
            return {"word": "two"}
        """,
    )
    write(folder / "app/words.txt", "one\ntwo\n")
    out = hermpkg(
        folder,
        *("pack", "app.model:make", "-o", "model.pt", "--arg", "times=2", "--example", "app.model:example"),
        *("--json", "--requires", "packaging >=1,<99", "--keep-example", "--reproducible"),
    )
    report = json.loads(out.stdout)
    assert "made" in out.stderr
    assert report["install"] == {"packaging": "<99,>=1"}
    assert report["path"] == "model.pt"
    assert report["bytes"] == (folder / "model.pt").stat().st_size
    assert 'intern("app.**")' in report["build_policy"]
    assert report["exporter_calls"].splitlines() == ['exporter.intern("app.**")', 'exporter.deny("**")']
    (folder / "app/words.txt").unlink()
    with PackageImporter("model.pt") as importer:
        assert importer.load_pickle("model", "model.pkl")(word="two") == [True, True]
        assert importer.load_pickle("model", "example.pkl") == {"word": "two"}


@pytest.mark.parametrize("text", ["torch", "torch>>1", "torch[extra]>1", "torch>1; python_version>'3'", ">1"])
def test_what_is_no_requirement_is_told(folder, text):
    failed = hermpkg(folder, "pack", "app:make", "-o", "model.pt", f"--requires={text}", code=2)
    assert "'torch>=2.13,<3'" in failed.stderr


def test_modules_with_names_of_the_standard_library_stay_the_users_alone(folder):
    """Neither the command nor the check of the package imports one of the files beside the factory."""
    for name in ("mmap", "sqlite3", "queue", "typing", "tempfile", "subprocess", "logging", "sysconfig"):
        write(folder / f"{name}.py", f"raise RuntimeError('{name} of the user')\n")
    write(folder / "own/__init__.py", "class Model:\n    pass\n")
    hermpkg(folder, "pack", "own:Model", "-o", "model.pt")
    write(folder / "json.py", "OWN = 1\n")
    write(folder / "own/__init__.py", "import json\n\ndef make():\n    return json.OWN\n")
    failed = hermpkg(folder, "pack", "own:make", "-o", "model.pt", code=1)
    assert "rename json.py" in failed.stderr


def test_the_command_packs_from_a_script(folder):
    write(
        folder / "scripts/make-it.py",
        "class Model:\n    pass\n\n\ndef make():\n    return Model()\n\nassert __name__ != '__main__'\n",
    )
    shown = hermpkg(folder, "pack", "scripts/make-it.py:make", "-o", "model.pt").stdout
    assert "loaded in a fresh process" in shown
    assert "script_make_it" in shown


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["app:make"], 2, "needs -o FILE"),
        (["app:make", "-o", "m.pt", "--arg", "times"], 2, "--arg needs the form NAME=JSON"),
        (["app:make", "-o", "m.pt", "--arg", "tiems=1"], 1, "did you mean 'times'?"),
        (["app:maek", "-o", "m.pt"], 1, "did you mean 'make'?"),
        (["nothing:make", "-o", "m.pt"], 1, "there is no module nothing"),
        (["nothing.py:make", "-o", "m.pt"], 1, "there is no file nothing.py"),
        (["app:", "-o", "m.pt"], 2, 'not "app:"'),
        (["app", "-o", "m.pt"], 2, "hermpkg pack app:FUNCTION -o m.pt"),
        (["app.py", "-o", "m.pt"], 2, 'hermpkg_build.pack(model, "model.pt")'),
        (["app:make"], 2, "hermpkg pack app:make -o model.pt"),
        (["app:make", "-o", "m.pt", "--example", "make"], 2, "did you mean 'app:make'?"),
        (["./app.py:make", "-o", "m.pt", "--example", "make"], 2, "did you mean './app.py:make'?"),
        (["app:make", "-o", "m.pt", "--strip-prefix", "a"], 2, "give the file: --weights FILE"),
        (["app:make", "-o", "m.pt", "--weights-prefix", "a"], 2, "give the file: --weights FILE"),
        (["app:make", "-o", "m.pt", "--arg", "times=0"], 1, "app:make failed: ValueError: too few"),
        (["app:make", "-o", "m.pt", "--extern", "ap"], 2, "did you mean 'app'?"),
        (["app:make", "-o", "no/m.pt"], 36, "there is no folder"),
        (["app:make", "-o", "m.pt", "--keep-example"], 2, "--example MODULE:FUNCTION"),
    ],
)
def test_mistakes_are_told(folder, words, code, message):
    write(
        folder / "app.py",
        """
        class Model:
            pass

        def make(times=1):
            if not times:
                raise ValueError("too few")
            return Model()
        """,
    )
    assert message in hermpkg(folder, "pack", *words, code=code).stderr
    assert [path.name for path in folder.iterdir() if path.name not in ("app.py", "__pycache__")] == []


def next_lines(stderr):
    """The block to paste at the end of an error."""
    return textwrap.dedent(stderr.partition("  -> ")[2].partition("\n")[2])


@pytest.mark.parametrize("given", ["nets.py", "nets", "lib/deep.py", "."])
def test_what_a_file_proposes_is_pasted_and_packs(folder, given):
    text = "class Module: ...\n\nclass Net(Module):\n    def __init__(self, n): ...\n"
    made = "def make_net() -> Net:\n    return 1\n"
    for name in ("nets.py", "lib/deep.py"):
        write(folder / name, text + made)
    told = hermpkg(folder, "pack", given, "-o", "m.pt", code=2).stderr
    assert "make_net: returns Net, by its annotation" in told
    assert re.search("Net: +is a Module .*, given n", told)
    hermpkg(folder, *shlex.split(next_lines(told).splitlines()[0])[1:])
    assert PackageImporter(folder / "m.pt").load_pickle("model", "model.pkl") == 1


@pytest.mark.parametrize("command", ["pack", "init"])
def test_a_file_that_is_no_python_is_told_what_it_can_be_used_for(folder, command):
    write(folder / "net.pt", "")
    out = ["-o", "m.pt"] if command == "pack" else []
    told = hermpkg(folder, command, "net.pt", *out, code=2).stderr
    assert " ".join(["hermpkg", command, "MODULE:FUNCTION", "--weights net.pt", *out]) in told


@pytest.mark.parametrize("factory", ["scripts/train.py:make", "acme.net:Net"])
@pytest.mark.parametrize("root", ["src", "lib one", ""])
@pytest.mark.parametrize("below", ["", "scripts"])
def test_what_python_finds_only_in_a_folder_of_the_project_is_told_with_what_to_paste(
    folder, root, factory, below
):
    write(folder / root / "acme/__init__.py", "")
    write(folder / root / "acme/net.py", "class Net:\n    pass\n")
    write(folder / "scripts/train.py", "from acme.net import Net\n\ndef make():\n    return Net()\n")
    where = f'[tool.setuptools.packages.find]\nwhere = ["{root}"]\n' if root else ""
    write(folder / "pyproject.toml", f"[build-system]\nbuild-backend = 'setuptools.build_meta'\n{where}")
    if below:
        factory = factory.removeprefix(f"{below}/")
    command = f"hermpkg pack {factory} -o m.pt"
    if not root and not below and factory == "acme.net:Net":
        hermpkg(folder, *command.split()[1:])  # The current folder is where modules are found.
        return
    stderr = hermpkg(folder / below, *command.split()[1:], code=1).stderr
    assert "No module named 'acme'" in stderr or "there is no module acme" in stderr
    assert "importlib" not in stderr
    pasted = f"{next_lines(stderr)}\n{sys.executable} -m hermpkg_build {command.removeprefix('hermpkg ')}"
    subprocess.run(["sh", "-ec", pasted], cwd=folder / below, check=True, capture_output=True)


FAILING = {
    "an object that cannot be pickled": (
        "model = Model()\nmodel.parts = {'act': lambda x: x}",
        ['object: model.parts["act"]', "write a function with a name"],
    ),
    "an example that does not run": (
        "model = Model()\nexample = (1, 2)",
        ["the example does not run here"],
    ),
    "an output of this process alone": (
        (
            "import os\nclass Other(Model):\n    def __call__(self):\n        return os.getpid()\n"
            "model = Other()"
        ),
        ["gives other outputs in its package than here", "output is "],
    ),
    "a file that is only here": (
        (
            "import os\nopen('here.txt', 'w').close()\nclass Other(Model):\n    def __call__(self):\n"
            "        return open('here.txt').read()\nmodel = Other()"
        ),
        ["does not run in its package: FileNotFoundError"],
    ),
    "a value that cannot be written down": (
        (
            "lock = object()\nclass Other(Model):\n    def __call__(self):\n"
            "        return str(type(lock))\nmodel = Other()"
        ),
        ["Other needs the value of lock, a object", "script.py:"],
    ),
    "something that cannot be called": ("model = 3", ["a int cannot be called with an example"]),
}


@pytest.mark.parametrize("case", FAILING)
def test_what_cannot_be_packed_is_told_and_leaves_the_file_as_it_was(folder, case):
    made, messages = FAILING[case]
    source = "import hermpkg_build\nclass Model:\n    def __call__(self):\n        return 1\nexample = ()\n"
    write(folder / "script.py", f"{source}{made}\nhermpkg_build.pack(model, 'model.pt', example=example)\n")
    before = "PK: net/.data/extern_modules"  # An artifact, by what is looked at before one is replaced.
    write(folder / "model.pt", before)
    failed = python(folder, "script.py", code=1)
    for message in messages:
        assert message in failed.stderr
    assert (folder / "model.pt").read_text() == before
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_library_that_fails_in_a_package_is_left_outside(folder, monkeypatch):
    write(
        folder / "site/picky.py",
        "if '<' in __name__:\n    raise RuntimeError('not under this name')\ndef f():\n    return 1\n",
    )
    write(folder / "site/picky-1.0.dist-info/METADATA", "Name: picky\nVersion: 1.0\n")
    write(folder / "site/picky-1.0.dist-info/RECORD", "picky.py,,\n")
    monkeypatch.setenv("PYTHONPATH", str(folder / "site"))
    write(
        folder / "script.py",
        """
        import hermpkg_build
        import picky

        class Model:
            def __call__(self):
                return picky.f()

        print(hermpkg_build.pack(Model(), "model.pt", example=()))
        """,
    )
    shown = python(folder, "script.py").stdout
    assert "it does not work inside the package: RuntimeError: not under this name" in shown
    assert "picky was tried inside the package first" in shown
    assert "pip install 'picky>=1.0,<2'" in shown


def test_a_network_of_torch(folder):
    write(
        folder / "script.py",
        """
        import torch
        import hermpkg_build

        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.Linear(2, 2))

            def forward(self, x):
                return {"y": self.layers(x)}

        net = Net()
        before = {name: value.clone() for name, value in net.state_dict().items()}
        report = hermpkg_build.pack(net, "net.pt", example=(torch.rand(3, 2),))
        assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
        print(report)
        """,
    )
    shown = python(folder, "script.py").stdout
    assert "equal bits in 1 tensor" in shown
    assert "pip install 'torch>=" in shown


def test_resources_and_rules_are_taken(folder):
    write(
        folder / "script.py",
        """
        import hermpkg_build

        class Model:
            pass

        resources = {"data/a.txt": "a.txt", "data/b.bin": b"b"}
        report = hermpkg_build.pack(Model(), "model.pt", resources=resources, policy='deny("os")')
        assert report.build_policy.splitlines()[1] == '    deny("os"),', report.build_policy
        """,
    )
    write(folder / "a.txt", "a")
    python(folder, "script.py")
    with PackageImporter("model.pt") as importer:
        assert importer.load_text("data", "a.txt") == "a"
        assert importer.load_binary("data", "b.bin") == b"b"


def test_code_that_a_rule_denies_is_told_with_its_place(folder):
    write(folder / "helpers.py", "import wave\n")
    write(
        folder / "script.py",
        """
        import helpers
        import hermpkg_build

        class Model:
            def __call__(self):
                return helpers.wave

        hermpkg_build.pack(Model(), "model.pt", policy='deny("wave")')
        """,
    )
    failed = python(folder, "script.py", code=1).stderr
    assert "code that the model needs cannot be packed" in failed
    assert "helpers.py:1:" in failed
    assert "policy='extern" in failed


def test_own_code_that_stays_outside_is_told(folder):
    write(folder / "app.py", "class Model:\n    pass\n\n\ndef make():\n    return Model()\n")
    shown = hermpkg(folder, "pack", "app:make", "-o", "m.pt", "--extern", "app").stdout
    assert "note: app is code of yours that stays outside" in shown


def test_the_same_model_gives_the_same_bytes(folder):
    write(folder / "app.py", "class Model:\n    pass\n\n\ndef make():\n    return Model()\n")
    digests = {
        json.loads(hermpkg(folder, "pack", "app:make", "-o", name, "--json").stdout)["sha256"]
        for name in ("a.pt", "b.pt")
    }
    assert len(digests) == 1


def test_a_check_that_does_not_end_is_ended(folder):
    write(
        folder / "app.py",
        """
        import os
        import time

        class Model:
            here = os.getpid()

            def __init__(self):
                self.made_in = os.getpid()

            def __call__(self):
                if os.getpid() != self.made_in:
                    time.sleep(600)

        def make():
            return Model()

        def example():
            return ()
        """,
    )
    words = ("pack", "app:make", "-o", "model.pt", "--example", "app:example")
    failed = hermpkg(folder, *words, "--timeout", "1.5", code=1).stderr
    assert "has not ended after 1.5 s" in failed
    assert not (folder / "model.pt").exists()
    assert "--timeout needs a number of seconds" in hermpkg(folder, *words, "--timeout", "0", code=2).stderr


def test_weights_of_a_checkpoint(folder):
    pytest.importorskip("torch")
    write(
        folder / "app.py",
        """
        import argparse
        import sys
        import torch

        def make():
            return torch.nn.Linear(2, 1)

        if __name__ == "__main__":
            right = {f"module.{name}": torch.ones_like(value) for name, value in make().state_dict().items()}
            torch.save({"model_state_dict": right, "args": argparse.Namespace(lr=1)}, "last.ckpt")
            torch.save({"student": {f"net.{name}": value for name, value in right.items()}}, "odd.ckpt")
        """,
    )
    python(folder, "app.py")
    words = ("pack", "app:make", "-o", "model.pt")
    shown = hermpkg(folder, *words, "--weights", "last.ckpt").stdout
    assert "this was taken: --weights-key model_state_dict --strip-prefix module." in shown
    failed = hermpkg(folder, *words, "--weights", "odd.ckpt", code=1).stderr
    assert "--weights-key student --strip-prefix net.module." in failed


def test_what_opens_the_package_may_be_packed_in_it(folder):
    pytest.importorskip("numpy")
    write(
        folder / "script.py",
        """
        import hermpkg_build
        import numpy
        from packaging.version import Version

        class Model:
            def __call__(self):
                return Version(numpy.__version__).major

        report = hermpkg_build.pack(Model(), "model.pt", example=())
        assert "numpy" in report.install
        assert not report.notes, report.notes
        print(*(each.name for each in report.decisions if each.is_packed))
        """,
    )
    assert "packaging" in python(folder, "script.py").stdout


def test_what_differs_by_process_is_told_with_its_place(folder):
    write(
        folder / "parts.py",
        """
        class Steady:
            pass

        class Keeps(Steady):
            # What it holds is another thing after it was loaded, and the same in each process.
            def __setstate__(self, state):
                self.__dict__.update(state, is_loaded=True)

        class Unsteady(Steady):
            def __getstate__(self):
                return {**self.__dict__, "key": id(self)}
        """,
    )
    write(
        folder / "script.py",
        """
        import hermpkg_build
        import parts

        for kind in (parts.Steady, parts.Keeps, parts.Unsteady):
            report = hermpkg_build.pack([kind()], "model.pt")
            print(*report.notes)
        """,
    )
    steady, keeps, unsteady = python(folder, "script.py").stdout.split("\n")[:3]
    assert (steady, keeps) == ("", "")
    assert "the bytes of the file differ by process: model[0].key" in unsteady


def test_a_second_process_packs_the_same_bytes_or_shows_what_differs(folder):
    write(
        folder / "app.py",
        """
        class Model:
            pass

        def make(names=("b", "a", "c", "e", "d", "f"), is_sorted=False):
            model = Model()
            model.names = list({*names})
            if is_sorted:
                model.names.sort()
            return model
        """,
    )
    words = ("pack", "app:make", "-o", "model.pt", "--reproducible")
    shown = hermpkg(folder, *words, "--arg", "is_sorted=true", '--arg=names=["a b","ü"]').stdout
    assert "another process packs the same bytes" in shown
    failed = hermpkg(folder, *words, code=3)
    assert "model.names" in failed.stdout + failed.stderr


def test_what_the_example_does_without_is_packed_only_where_it_matters(folder, monkeypatch):
    for name in ("matters", "idle"):
        write(folder / f"site/{name}.py", "WORD = 'there'\n")
        write(folder / f"site/{name}-1.0.dist-info/METADATA", f"Name: {name}\nVersion: 1.0\n")
        write(folder / f"site/{name}-1.0.dist-info/RECORD", f"{name}.py,,\n")
    monkeypatch.setenv("PYTHONPATH", str(folder / "site"))
    write(
        folder / "parts.py",
        """
        import importlib.util

        def has(name):
            return importlib.util.find_spec(name) is not None

        class Model:
            def __init__(self, name):
                self.name = name

            def __call__(self):
                return self.name == "matters" and has("matters")

            def other(self):
                if self:
                    import idle
                if has("matters"):
                    import matters
        """,
    )
    write(
        folder / "script.py",
        """
        import hermpkg_build
        from parts import Model

        for name in ("idle", "matters"):
            report = hermpkg_build.pack(Model(name), "model.pt", example=())
            print({each.name: each.row for each in report.decisions}, report.optional, report.install)
        """,
    )
    idle, matters = python(folder, "script.py").stdout.splitlines()
    assert idle == "{'idle': 'unused', 'matters': 'unused', 'parts': 'own'} ('idle', 'matters') {}"
    assert matters == "{'idle': 'pure', 'matters': 'pure', 'parts': 'own'} () {}"


def test_a_script_may_have_the_usual_name(folder):
    write(folder / "model.py", "class Net:\n    pass\n\ndef make():\n    return Net()\n")
    report = json.loads(hermpkg(folder, "pack", "model.py:make", "-o", "net.pt", "--json").stdout)
    assert report["path"] == "net.pt"
    told = hermpkg(folder, "pack", "model.py:make", "-o", "net.pt").stdout
    assert "a module is called model: load_pickle('model_1', 'model.pkl') gives the model" in told
    with PackageImporter("net.pt") as importer:
        assert type(importer.load_pickle("model_1", "model.pkl")).__name__ == "Net"


def test_a_library_is_packed_without_others_that_it_does_not_require(folder, monkeypatch):
    write(folder / "site/lib.py", "def f():\n    return 1\n\ndef g():\n    import extra\n    return extra\n")
    write(folder / "site/extra.py", "")
    for name in ("lib", "extra"):
        write(folder / f"site/{name}-1.0.dist-info/METADATA", f"Name: {name}\nVersion: 1.0\n")
        write(folder / f"site/{name}-1.0.dist-info/RECORD", f"{name}.py,,\n")
    monkeypatch.setenv("PYTHONPATH", str(folder / "site"))
    write(
        folder / "script.py",
        """
        import hermpkg_build
        import lib

        report = hermpkg_build.pack(lib.f, "model.pt", example=())
        rows = {each.name: each.row for each in report.decisions}
        print(rows, report.optional, report.install, report.notes)
        """,
    )
    shown = python(folder, "script.py").stdout.strip()
    assert shown == "{'extra': 'unused', 'lib': 'pure'} ('extra',) {} ()"
    monkeypatch.delenv("PYTHONPATH")
    (folder / "open.py").write_text(
        "import warnings\nwarnings.simplefilter('error')\nfrom hermpkg_build import PackageImporter\n"
        "f = PackageImporter('model.pt').load_pickle('model', 'model.pkl')\nprint(f())\n"
    )
    assert python(folder, "open.py").stdout == "1\n"


@pytest.mark.parametrize("out", ["train.py", "notes.txt", "weights.pt"])
def test_a_file_that_is_no_package_is_not_overwritten(folder, out):
    write(folder / "train.py", "print('ran')\n\ndef make():\n    return {'a': 1}\n")
    write(folder / "notes.txt", "mine\n")
    with zipfile.ZipFile(folder / "weights.pt", "w") as archive:
        archive.writestr("weights/data", "theirs")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = hermpkg(folder, "pack", "train.py:make", "-o", out, "--weights", "./weights.pt", code=2)
    assert f"--out would overwrite another file\n  file:   {out}" in done.stderr
    assert "ran" not in done.stderr
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_a_factory_that_forgets_to_return_the_model(folder):
    write(folder / "train.py", "def make():\n    {'a': 1}\n")
    done = hermpkg(folder, "pack", "train.py:make", "-o", "model.pt", code=1)
    assert "train.py:make returns None, which is no model" in done.stderr
    assert not (folder / "model.pt").exists()


@pytest.mark.parametrize(
    "hide",
    [
        "for name in ('json', 'pickle', 'io', 'traceback', 'collections'): sys.modules[name] = None",
        "for name in ('json', 'pickle', 'io', 'numpy'): sys.modules[name] = types.ModuleType(name)",
        "unittest.mock.patch.dict(sys.modules, {}, clear=True).start()",
    ],
    ids=["none", "fakes", "cleared"],
)
def test_an_example_that_hides_modules(tmp_path, hide):
    code = f"import sys, types, unittest.mock\n\ndef call(x):\n    {hide}\n    return x + 1\n"
    write(
        tmp_path / "hiding.py", f"{code}\ndef make():\n    return call\n\ndef example():\n    return (1,)\n"
    )
    command = [sys.executable, "-m", "hermpkg_build", "pack", "hiding:make", "--example", "hiding:example"]
    done = subprocess.run(
        [*command, "-o", "out.pt"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "checked: equal bits" in done.stdout


def test_one_name_is_as_good_as_a_list_of_it(folder):
    example = "import hermpkg_build, packaging.version as v, sys\nmodel = {'v': v.Version('1.0')}\n"
    digests = set()
    for names in ("'packaging'", "(n for n in ['packaging'])"):
        write(folder / "make.py", f"{example}hermpkg_build.pack(model, 'model.pt', extern={names})\n")
        python(folder, "make.py")
        digests.add((folder / "model.pt").read_bytes())
    assert len(digests) == 1
    write(
        folder / "make.py",
        f"{example}hermpkg_build.pack(model, 'm.pt', extern='packaging', intern='packaging')\n",
    )
    assert "'packaging' cannot be both" in python(folder, "make.py", code=1).stderr


ENDING = """
import argparse, sys

parser = argparse.ArgumentParser()
parser.add_argument("--width"{})
parser.parse_args()

class Model:
    pass

def make():
    model = Model()
    model.words = sys.argv[1:]
    return model
"""


def test_a_script_that_ends_as_it_is_imported_is_told_what_to_change(folder):
    write(folder / "train.py", ENDING.format(", required=True"))
    done = hermpkg(folder, "pack", "train.py:make", "-o", "model.pt", code=1)
    assert "train.py:make failed: SystemExit: 2" in done.stderr
    assert done.stderr.endswith('below\n         if __name__ == "__main__":\n')
    assert not (folder / "model.pt").exists()


def test_a_script_sees_no_words_of_the_command(folder):
    write(folder / "train.py", ENDING.format(""))
    done = hermpkg(folder, "pack", "train.py:make", "-o", "model.pt", code=1)
    # It goes on where the model is made; where it lands, it would read the words of any program.
    assert "the model does not run in its package: SystemExit: 2" in done.stderr
    assert done.stderr.endswith('below\n         if __name__ == "__main__":\n')
    text = (
        (folder / "train.py")
        .read_text()
        .replace("parser.parse", 'if __name__ == "__main__":\n    parser.parse')
    )
    write(folder / "train.py", text)
    hermpkg(folder, "pack", "train.py:make", "-o", "model.pt")
    with PackageImporter(folder / "model.pt") as importer:
        assert importer.load_pickle("model", "model.pkl").words == []
