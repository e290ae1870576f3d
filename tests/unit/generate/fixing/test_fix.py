"""BUILD files are mended until their targets build; what only a person can decide is told."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path

import pytest

from hermpkg_build.analysis.decisions import allowed_versions
from hermpkg_build.core.folders import OUTPUT_FOLDER
from hermpkg_build.engine.context import Build
from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.engine.opening import open_build
from hermpkg_build.engine.results import BuildRequest
from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.generate.fixing.fix import Fixed, fix
from hermpkg_build.loading.workspace import find_workspace

LOAD = 'load("@hermpkg//rules:defs.bzl", "deny", "model", "model_package", "python_modules")\n'
PACKAGE = """
python_modules(name = "modules", srcs = glob(["*.py"]))

model(
    name = "net",
    factory = "app.net:make",
    deps = [":modules"],
)

model_package(
    name = "pkg",
    models = {"model/model.pkl": ":net"},
    modules = ["app.net"],
    policy = [deny("**")],
    deps = [":modules"],
)
"""


class Project:
    """A workspace on disk that can be mended, and checked as builds check it."""

    def __init__(self, root: Path) -> None:
        self.root = root / "my wörk"
        self.cache = root / "cache"
        self.write("pyproject.toml", "[tool.hermpkg]\n")
        self.write("app/__init__.py", "")
        self.write("app/net.py", "def make():\n    return {}\n")
        self.write("app/BUILD", LOAD + PACKAGE)

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")

    def read(self, path: str = "app/BUILD") -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def opened(self, given: Mapping[str, bytes], patterns: Sequence[str]) -> AbstractContextManager[Build]:
        request = BuildRequest(patterns=tuple(patterns), directory=str(self.root), keep_going=True, jobs=2)
        workspace = find_workspace(str(self.root))
        return open_build(workspace, request, str(self.cache), BuildObserver(), given=given)

    def fix(self, *patterns: str, dry_run: bool = False) -> Fixed:
        asked = patterns or ("//...",)
        return fix(find_workspace(str(self.root)), asked, self.opened, dry_run=dry_run)

    def fixed(self) -> dict[str, str]:
        """The BUILD files after they were mended: all builds then, and mending again changes nothing."""
        done = self.fix()
        assert [str(error) for error in (*done.left, *done.computed)] == []
        files = {str(path.relative_to(self.root)): path.read_bytes() for path in self.root.rglob("BUILD")}
        again = self.fix()
        assert (again.diffs, again.left) == ({}, ())
        assert files == {
            str(path.relative_to(self.root)): path.read_bytes() for path in self.root.rglob("BUILD")
        }
        return {name: data.decode() for name, data in files.items()}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def rules_of(text: str) -> list[str]:
    """The lines of the policy in a BUILD file."""
    lines = text.partition("policy = [\n")[2].partition("\n    ],")[0].splitlines()
    return [line.strip() for line in lines]


def test_the_table_decides_what_no_rule_is_for(project):
    project.write("app/net.py", "import torch\nimport packaging.version\n\ndef make():\n    return {}\n")
    project.write(
        "app/BUILD",
        LOAD + "# Ours.\n" + PACKAGE.replace('deny("**")', '\n        # no more\n        deny("**"),\n    '),
    )
    text = project.fixed()["app/BUILD"]
    assert rules_of(text)[:4] == ["intern([", '"app.**",', '"packaging.**",', "]),"]
    assert rules_of(text)[-2:] == ["# no more", 'deny("**"),']
    assert text.startswith('load("@hermpkg//rules:defs.bzl", "deny", "intern", "model",')
    assert "# Ours.\n" in text


@pytest.mark.parametrize("given", ["", '"torch": ">=2.4",', '"numpy": ">=1",'])
def test_what_is_left_outside_from_now_on_is_asked_for_in_its_version(project, given):
    """As `init` asks for it; what a person has said of versions stays."""
    pytest.importorskip("numpy")
    project.write("app/net.py", "import numpy\n\ndef make():\n    return {}\n")
    more = f"    requires = {{{given}}},\n" if given else ""
    project.write("app/BUILD", LOAD + PACKAGE.replace("    policy", f"{more}    policy"))
    text = project.fixed()["app/BUILD"]
    assert 'extern("numpy.**"),' in rules_of(text)
    requires = ast.literal_eval(re.search(r"requires = (\{[^}]*\})", text).group(1))
    assert requires["numpy"] == (">=1" if "numpy" in given else allowed_versions("numpy", version("numpy")))
    assert ("torch" in requires) == ("torch" in given)


def test_a_rule_of_the_same_kind_gets_the_patterns(project):
    project.write("other/__init__.py", "")
    project.write("app/net.py", "import other\n\ndef make():\n    return {}\n")
    project.write("other/BUILD", LOAD + 'python_modules(name = "other", srcs = glob(["*.py"]))\n')
    policy = 'intern("app.**"), deny("**")'
    project.write("app/BUILD", LOAD.replace("deny", 'deny", "intern') + PACKAGE.replace('deny("**")', policy))
    files = project.fixed()
    assert rules_of(files["app/BUILD"]) == ["intern([", '"app.**",', '"other.**",', "]),", 'deny("**"),']
    assert '"//other"' in files["app/BUILD"]
    assert 'visibility = ["//app:__pkg__"]' in files["other/BUILD"]


def test_new_modules_are_listed_and_deleted_ones_taken_out(project):
    srcs = PACKAGE.replace('glob(["*.py"])', '["__init__.py", "gone.py", "net.py"]')
    project.write("app/BUILD", LOAD + srcs)
    project.write("app/net.py", "from app import new\n\ndef make():\n    return {}\n")
    project.write("app/new.py", "import app.sub.deep\n")
    project.write("app/sub/deep.py", "")
    text = project.fixed()["app/BUILD"]
    listed = text.partition("srcs = [")[2].partition("]")[0]
    assert listed.replace(" ", "").split() == [
        '"__init__.py",',
        '"net.py",',
        '"new.py",',
        '"sub/deep.py",',
    ]


def test_a_folder_of_modules_becomes_a_package(project):
    project.write("app/net.py", "import lib.one\n\ndef make():\n    return {}\n")
    project.write("lib/one.py", "from . import two\n")
    project.write("lib/two.py", "")
    project.write("lib/not-a-module.py", "")
    files = project.fixed()
    assert 'exclude = ["not-a-module.py"]' in files["lib/BUILD"]
    assert '"//lib:modules",' in files["app/BUILD"]


def test_files_that_the_factory_reads_are_declared(project):
    source = "from pathlib import Path\n\nHERE = Path(__file__).parent\n\n\ndef make():\n"
    source += '    return [(HERE / "words.txt").read_text(), (HERE.parent / "data/more.txt").read_text()]\n'
    project.write("app/net.py", source)
    project.write("app/words.txt", "a")
    project.write("data/more.txt", "b")
    project.write("app/.env", "secret")
    files = project.fixed()
    assert '"words.txt",' in files["app/BUILD"]
    assert '"//data:more.txt",' in files["app/BUILD"]
    assert files["data/BUILD"] == 'exports_files(["more.txt"])\n'


@pytest.mark.parametrize("folder", ["data", ""])
def test_a_file_that_a_target_declares_is_not_declared_again(project, folder):
    """Its target becomes a dep of what reads it, visible where it was not."""
    read = '    return (Path(__file__).parents[1] / "data/more.txt").read_text()\n'
    project.write("app/net.py", f"from pathlib import Path\n\n\ndef make():\n{read}")
    project.write("data/more.txt", "b")
    name = "more.txt" if folder else "data/more.txt"
    given = f'python_modules(\n    name = "texts",\n    srcs = [],\n    resources = ["{name}"],\n'
    project.write(f"{folder}/BUILD".lstrip("/"), LOAD + given + ")\n")
    files = project.fixed()
    assert f'"//{folder}:texts",' in files["app/BUILD"]
    assert sum(text.count("more.txt") for text in files.values()) == 1


def test_files_that_moved_are_followed(project):
    project.write("nets/__init__.py", "")
    project.write("nets/net.py", "def make():\n    return {}\n")
    (project.root / "app/net.py").unlink()
    build = PACKAGE.replace('policy = [deny("**")]', 'policy = [intern("app.**"), deny("**")]')
    build = build.replace('    modules = ["app.net"],\n', "").replace(
        "models = {", 'resources = {"a/words.txt": "words.txt"},\n    models = {'
    )
    project.write("app/BUILD", LOAD.replace("deny", 'deny", "intern') + build)
    project.write("data/words.txt", "a")
    files = project.fixed()
    assert 'factory = "nets.net:make"' in files["app/BUILD"]
    assert '"a/words.txt": "//data:words.txt"' in files["app/BUILD"]
    assert "app.**" not in "".join(rules_of(files["app/BUILD"]))
    assert "nets" in files["nets/BUILD"] or "modules" in files["nets/BUILD"]


def test_a_label_of_another_package_is_named_as_that(project):
    project.write("app/data/BUILD", "")
    project.write("app/data/words.txt", "a")
    resources = 'resources = {"a/words.txt": "data/words.txt"},\n    models = {'
    project.write("app/BUILD", LOAD + PACKAGE.replace("models = {", resources))
    files = project.fixed()
    assert '"a/words.txt": "//app/data:words.txt"' in files["app/BUILD"]
    assert files["app/data/BUILD"] == 'exports_files(["words.txt"])\n'


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ('[intern("gone.**"), deny("**")]', ['intern("app.**"),', 'deny("**"),']),
        ('[intern("app.**"), intern("gone.**")]', None),
        ('[intern(["app.**", "app.gone"])]', None),
    ],
)
def test_rules_that_match_nothing_go(project, policy, expected):
    project.write(
        "app/BUILD", LOAD.replace("deny", 'deny", "intern') + PACKAGE.replace('[deny("**")]', policy)
    )
    text = project.fixed()["app/BUILD"]
    assert "gone" not in text
    assert '"app.**"' in text
    if expected:
        assert rules_of(text) == expected


@pytest.mark.parametrize(
    ("policy", "place"),
    [("RULES", "app/BUILD:16:14"), ('[rule for rule in [deny("**")]]', "app/BUILD:16:14")],
)
def test_what_is_computed_is_told_with_its_place(project, policy, place):
    text = LOAD + PACKAGE.replace('[deny("**")]', policy)
    project.write(
        "app/BUILD",
        text if policy != "RULES" else text.replace("\npython_mod", '\nRULES = [deny("**")]\npython_mod', 1),
    )
    before = project.read()
    done = project.fix()
    assert project.read() == before
    (told,) = done.computed
    assert str(told.location).startswith("app/BUILD:1")
    assert len(done.left) == 1


def test_what_a_macro_makes_is_told_with_its_place(project):
    project.write(
        "app/macro.bzl",
        LOAD
        + "def pkg(name):\n    model_package(name = name, modules = ['app.net'], policy = [deny('**')])\n",
    )
    text = (
        'load(":macro.bzl", "pkg")\n' + LOAD + PACKAGE.partition("model_package(")[0] + 'pkg(name = "pkg")\n'
    )
    project.write("app/BUILD", text)
    done = project.fix()
    assert project.read() == text
    (told,) = done.computed
    assert (told.location.path, told.location.line) == ("app/BUILD", text.count("\n"))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def make(:\n", "does not parse"),
        ("import app.nowhere\n\ndef make():\n    return {}\n", "app.nowhere"),
        ("def make():\n    raise ValueError('mine')\n", "mine"),
    ],
)
def test_what_only_a_person_can_mend_is_left(project, source, says):
    project.write("app/net.py", source)
    done = project.fix()
    assert says in "".join(str(error) for error in done.left) or "syntax" in str(done.left)
    assert "extern" not in project.read()
    assert "mock" not in project.read()


def test_what_is_denied_by_name_stays_denied(project):
    project.write("app/net.py", "import packaging\n\ndef make():\n    return {}\n")
    project.write("app/BUILD", LOAD + PACKAGE.replace('deny("**")', 'deny("packaging.**"), deny("**")'))
    done = project.fix()
    assert "'packaging' is denied" in str(done.left[0])


def test_a_dry_run_writes_nothing(project):
    before = project.read()
    done = project.fix(dry_run=True)
    assert done.diffs["app/BUILD"].startswith("--- a/app/BUILD\n+++ b/app/BUILD\n")
    assert project.read() == before
    assert not (project.root / OUTPUT_FOLDER / "app").exists()


def test_a_file_that_an_editor_changed_meanwhile_is_left_alone(project):
    def opened(given, patterns):
        if given:
            project.write("app/BUILD", "# mine\n")
        return project.opened(given, patterns)

    with pytest.raises(LocalEnvironmentError, match="changed while"):
        fix(find_workspace(str(project.root)), ["//..."], opened)
    assert project.read() == "# mine\n"


def test_targets_that_are_not_asked_for_are_left_alone(project):
    project.write("bad/BUILD", LOAD + 'model_package(name = "bad", deps = [":gone"])\n')
    project.fix("//app:pkg")
    assert '":gone"' in project.read("bad/BUILD")


def test_what_cannot_be_loaded_does_not_keep_other_targets_from_being_mended(project):
    project.write("bad/BUILD", LOAD + 'model_package(name = "bad", deps = 3)\n')
    project.write("odd/BUILD", LOAD + 'model_package(name = "odd", resources = {"a/b": "nowhere.txt"})\n')
    done = project.fix()
    assert 'intern("app.**")' in project.read()
    told = " ".join(str(error) for error in done.left)
    assert "bad/BUILD" in told
    assert "nowhere.txt" in told


def test_what_is_of_another_package_and_moved_is_named_there(project):
    project.write("nets/net.py", "def make():\n    return {}\n")
    (project.root / "app/net.py").unlink()
    project.write("nets/BUILD", LOAD + PACKAGE.replace("app.net", "nets.net").partition("model_package(")[0])
    project.write(
        "app/BUILD",
        LOAD
        + "model_package("
        + PACKAGE.partition("model_package(")[2]
        .replace('[":modules"]', "[]")
        .replace('":net"', '"//old:net"'),
    )
    text = project.fixed()["app/BUILD"]
    assert '"model/model.pkl": "//nets:net"' in text
    assert 'modules = ["nets.net"]' in text


def test_a_factory_that_is_installed_is_never_taken_for_one_of_the_same_name(project):
    project.write("app/net.py", "def dumps():\n    return {}\n")
    project.write("app/BUILD", LOAD + PACKAGE.replace("app.net:make", "json:dumps"))
    done = project.fix()
    assert "json:dumps" in project.read()
    assert len(done.left) == 1


def test_a_package_whose_visibility_is_that_of_its_file_keeps_it(project):
    project.write("other/one.py", "")
    project.write(
        "other/BUILD.bazel",
        LOAD
        + 'package(default_visibility = ["//x:__pkg__"])\npython_modules(name = "m", srcs = ["one.py"])\n',
    )
    project.write("app/net.py", "import other.one\n\ndef make():\n    return {}\n")
    project.fixed()
    assert '"//app:__pkg__",\n        "//x:__pkg__",' in project.read("other/BUILD.bazel")


def test_what_is_private_on_purpose_is_told(project):
    private = 'python_modules(name = "m", srcs = ["one.py"], visibility = ["//visibility:private"])\n'
    project.write("other/one.py", "")
    project.write("other/BUILD", LOAD + private)
    project.write("app/net.py", "import other.one\n\ndef make():\n    return {}\n")
    done = project.fix()
    assert "private, as it says" in str(done.computed[0])
    assert private in project.read("other/BUILD")


def test_compiled_parts_and_parts_for_other_pythons_get_rules_before_the_one_that_takes_all(project):
    site = project.root / ".venv/lib/python3/site-packages"
    project.write("app/net.py", "import app.later\n\ndef make():\n    return {}\n")
    project.write("app/later.py", "def f():\n    from lib2to3_gone import x\n")
    project.write(
        "app/BUILD",
        LOAD.replace("deny", 'deny", "intern') + PACKAGE.replace('[deny("**")]', '[intern("**")]'),
    )
    text = project.fixed()["app/BUILD"]
    assert rules_of(text) == ['extern("lib2to3_gone.**"),', 'intern("**"),']
    assert not site.exists()


def test_folders_that_are_ignored_become_no_packages(project):
    project.write(".bazelignore", "out\nlib\n")
    project.write("out/words.txt", "a")
    project.write("lib/one.py", "")
    source = "import lib.one\nfrom pathlib import Path\n\n\ndef make():\n"
    project.write(
        "app/net.py", source + '    return (Path(__file__).parents[1] / "out/words.txt").read_text()\n'
    )
    done = project.fix()
    assert len(done.left) == 1
    assert not (project.root / "out/BUILD").exists()
    assert not (project.root / "lib/BUILD").exists()
