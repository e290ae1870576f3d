"""Models: what their factories may see, what of it counts, and what goes wrong."""

from __future__ import annotations

import os
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from hermpkg_build import PackageImporter
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.factories.processor import describe_platform
from hermpkg_build.inspection.contents import manifest_of

BUILD = """
python_modules(name = "modules", srcs = glob(["*.py"], exclude = ["hidden.py"]))
model(name = "thing", factory = "app.factory:make", args = {"size": 2}, deps = [":modules"])
model_package(
    name = "app",
    models = {"model/model.pkl": ":thing"},
    policy = [intern("app.**"), deny("**")],
    deps = [":modules"],
)
"""
FACTORY = """
    class Thing:
        def __init__(self, size):
            self.size = size

    def make(size):
        return Thing(size)
"""


@pytest.fixture
def models(workspace: Any) -> Any:
    """A workspace with a model that needs no torch."""
    workspace.write("pyproject.toml", "[tool.hermpkg]\n")
    workspace.build_file(BUILD)
    workspace.write("app/__init__.py", "")
    workspace.write("app/factory.py", FACTORY)
    return workspace


def load(models: Any) -> Any:
    with PackageImporter(models.root / "hermpkg-out/app/app.pt") as importer:
        return importer.load_pickle("model", "model.pkl")


def test_the_factory_is_called_with_its_arguments(models: Any) -> None:
    outcome = models.build("//app")
    assert outcome.code == 0, outcome.stderr
    assert load(models).size == 2


def test_changed_arguments_are_the_reason(models: Any) -> None:
    models.build("//app")
    models.build_file(BUILD.replace('"size": 2', '"size": 3'))
    outcome = models.run("build", "//app", "--explain")
    assert 'args changed from {"size":2} to {"size":3}' in outcome.stderr + outcome.stdout
    assert load(models).size == 3


def computed_on(models: Any) -> str:
    outcome = models.build("//app")
    assert outcome.code == 0, outcome.stderr
    with ArchiveReader(str(models.root / "hermpkg-out/app/app.pt")) as reader:
        manifest = manifest_of(reader)
    assert manifest is not None
    return manifest.models["model/model.pkl"].computed_on


def test_the_manifest_says_what_computed_numbers_depend_on(models: Any) -> None:
    baseline = computed_on(models)
    assert baseline == describe_platform(native=False)
    models.build_file(BUILD.replace('"size": 2}', '"size": 2}, cpu = "native"'))
    assert computed_on(models) == describe_platform(native=True)
    assert computed_on(models).startswith(f"{baseline} ")


def test_a_package_that_is_imported_by_the_name_of_its_file_too(models: Any) -> None:
    models.write("app/__init__.py", "SIZE = 3\n")
    models.write(
        "app/factory.py", "from .__init__ import SIZE\n" + dedent(FACTORY).replace("= size", "= SIZE")
    )
    outcome = models.build("//app")
    assert outcome.code == 0, outcome.stderr
    assert load(models).size == 3


def test_a_dynamic_import_that_was_observed_is_packed(models: Any) -> None:
    models.write("app/plugin.py", "VALUE = 7\n")
    models.write(
        "app/factory.py",
        """
        import importlib

        class Thing:
            def __init__(self, name):
                self.name = name

            def value(self):
                return importlib.import_module(self.name).VALUE

        def make(size):
            thing = Thing("app." + "nigulp"[::-1])
            assert thing.value() == 7
            return thing
        """,
    )
    outcome = models.build("//app")
    assert outcome.code == 0, outcome.stderr
    why = models.run("why", "//app", "app.plugin")
    assert "app/factory.py:9" in why.stdout + why.stderr
    with PackageImporter(models.root / "hermpkg-out/app/app.pt") as importer:
        assert importer.load_pickle("model", "model.pkl").value() == 7


def test_a_module_that_packed_code_gives_another_name(models: Any) -> None:
    models.write(
        "app/setup.py", "import sys, app.deep\nfor n in ['seven']:\n    sys.modules['app.' + n] = app.deep\n"
    )
    models.write("app/deep.py", "VALUE = 7\n")
    models.write("app/__init__.py", "import app.setup\n")
    models.write("app/factory.py", "import app.seven\nfrom app.seven import VALUE\n" + dedent(FACTORY))
    outcome = models.build("//app")
    assert outcome.code == 0, outcome.stderr
    with PackageImporter(models.root / "hermpkg-out/app/app.pt") as importer:
        importer.load_pickle("model", "model.pkl")
        assert importer.import_module("app.factory").VALUE == 7


def test_a_file_that_the_factory_reads_is_an_input(models: Any) -> None:
    models.write("app/size.txt", "5")
    models.write(
        "app/factory.py",
        """
        import os

        class Thing:
            def __init__(self, size):
                self.size = size

        def make(size):
            with open(os.path.join(os.path.dirname(__file__), "size.txt")) as file:
                return Thing(int(file.read()))
        """,
    )
    models.build("//app")
    assert load(models).size == 5
    models.write("app/size.txt", "6")
    outcome = models.run("build", "//app", "--explain")
    assert "app/size.txt changed" in outcome.stdout + outcome.stderr
    assert load(models).size == 6


def test_editing_an_unrelated_module_does_not_make_the_model_again(models: Any) -> None:
    models.write("app/other.py", "x = 1\n")
    models.build("//app")
    models.write("app/other.py", "x = 2\n")
    assert models.build("//app").ran("make-model") == 0


def test_a_factory_that_prints_and_writes_disturbs_nothing(models: Any) -> None:
    models.write(
        "app/factory.py",
        """
        import os, sys

        class Thing:
            size = 0

        def make(size):
            print("loud", flush=True)
            print("louder", file=sys.stderr, flush=True)
            os.write(1, b"loudest")
            open("litter.txt", "w").close()
            os.chdir("/")
            return Thing()
        """,
    )
    before = {path.name for path in (models.root / "app").iterdir()}
    outcome = models.build("//app")
    assert outcome.code == 0, outcome.stderr
    assert "loud" not in outcome.stdout
    assert {path.name for path in (models.root / "app").iterdir()} == before
    assert not Path("/litter.txt").exists()


def test_a_factory_that_fails_shows_its_own_traceback(models: Any) -> None:
    models.write(
        "app/factory.py",
        """
        def helper(size):
            return 1 / (size - size)

        def make(size):
            return helper(size)
        """,
    )
    outcome = models.run("build", "//app")
    assert outcome.code == 1
    assert "app/factory.py:3" in outcome.stderr
    assert "ZeroDivisionError" in outcome.stderr
    assert "hermpkg_build/factories" not in outcome.stderr


def test_a_module_outside_deps_is_refused_at_its_import(models: Any) -> None:
    models.write("app/hidden.py", "x = 1\n")
    models.write("app/factory.py", "import app.hidden\n\ndef make(size):\n    return app.hidden.x\n")
    outcome = models.run("build", "//app:thing")
    assert outcome.code == 1
    assert "app/factory.py:1" in outcome.stderr
    assert "app.hidden" in outcome.stderr
    assert "python_modules" in outcome.stderr or "deps" in outcome.stderr


def test_a_factory_that_does_not_exist_is_said_with_the_name_meant(models: Any) -> None:
    models.build_file(BUILD.replace("factory:make", "factory:mkae"))
    outcome = models.run("build", "//app")
    assert outcome.code == 1
    assert "did you mean" in outcome.stderr
    assert "make" in outcome.stderr


def test_a_factory_that_forgets_to_return_the_model(models: Any) -> None:
    models.write("app/factory.py", "def make(size):\n    {'forgot': 'return'}\n")
    outcome = models.run("build", "//app")
    assert outcome.code == 1
    assert "app/factory.py:1: app.factory:make returns None, which is no model" in outcome.stderr
    assert "-> let it return the model" in outcome.stderr


def test_a_result_that_cannot_be_pickled_is_named_by_its_path(models: Any) -> None:
    models.write(
        "app/factory.py",
        """
        class Thing:
            pass

        def make(size):
            thing = Thing()
            thing.layers = [1, {"hook": lambda: 1}]
            return thing
        """,
    )
    outcome = models.run("build", "//app")
    assert outcome.code == 1
    assert 'layers[1]["hook"]' in outcome.stderr.replace("'", '"')


@pytest.mark.parametrize("death", ["os._exit(3)", "os.kill(os.getpid(), 9)", "sys.exit(4)"])
def test_a_factory_that_dies_is_said_to_have_died(models: Any, death: str) -> None:
    models.write("app/factory.py", f"import os, sys\n\ndef make(size):\n    {death}\n")
    outcome = models.run("build", "//app")
    assert outcome.code == 1
    assert "app.factory:make" in outcome.stderr
    assert "a bug in hermpkg" not in outcome.stderr


def test_two_models_in_one_artifact_and_one_in_two(models: Any) -> None:
    models.build_file(
        BUILD
        + """
model(name = "other", factory = "app.factory:make", args = {"size": 9}, deps = [":modules"])
model_package(
    name = "both",
    models = {"a/model.pkl": ":thing", "b/model.pkl": ":other"},
    policy = [intern("app.**")],
    deps = [":modules"],
)
"""
    )
    outcome = models.build("//app/...", "--jobs", "4")
    assert outcome.code == 0, outcome.stderr
    assert outcome.ran("make-model") == 2
    with PackageImporter(models.root / "hermpkg-out/app/both.pt") as importer:
        assert importer.load_pickle("a", "model.pkl").size == 2
        assert importer.load_pickle("b", "model.pkl").size == 9


def test_the_clock_of_files_does_not_count(models: Any) -> None:
    first = models.build("//app")
    for path in (models.root / "app").iterdir():
        os.utime(path, (time.time() - 10_000, time.time() - 5_000))
    second = models.build("//app")
    assert second.target["status"] == "up-to-date"
    assert first.target["sha256"] == second.target["sha256"]
    assert sum(second.ran(kind) for kind in ("analyse", "make-model", "assemble")) == 0


def test_a_key_of_weights_needs_weights(models: Any) -> None:
    models.build_file(BUILD.replace("args = ", 'weights_key = "state_dict", args = '))
    outcome = models.run("//app")
    assert outcome.code == 1
    assert "//app:thing has weights_key or weights_prefix, and no weights" in outcome.stderr
