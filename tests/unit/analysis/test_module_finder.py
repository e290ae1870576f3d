"""Modules are found where Python would find them, with those of the target put first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder

import pytest

from hermpkg_build.analysis.module_finder import ModuleFinder
from hermpkg_build.analysis.search_path import environment_search_path
from hermpkg_build.core.label import Label
from hermpkg_build.core.module_roles import ModuleKind, Origin
from hermpkg_build.disk.source_tree import SourceTree


def test_workspace_modules_are_those_handed_in_and_no_others(workspace):
    workspace.own({"models/__init__.py": "", "models/resnet.py": ""})
    workspace.own({"models/secret.py": ""}, declared=False)
    finder = workspace.finder()
    found = finder.find("models.resnet")
    assert (found.kind, found.origin, found.shown) == (
        ModuleKind.SOURCE,
        Origin.WORKSPACE,
        "models/resnet.py",
    )
    assert found.label == Label("models", "resnet.py")
    assert finder.find("models").kind is ModuleKind.PACKAGE
    assert finder.find("models.secret") is None
    assert finder.undeclared_file("models.secret") == "models/secret.py"
    assert list(finder.submodules("models")) == ["models.resnet"]


def test_workspace_folder_without_init_is_a_namespace_package(workspace):
    workspace.own({"deep/er/leaf.py": ""})
    finder = workspace.finder()
    for name, shown in (("deep", "deep"), ("deep.er", "deep/er")):
        found = finder.find(name)
        assert (found.kind, found.origin, found.shown) == (ModuleKind.NAMESPACE, Origin.WORKSPACE, shown)
        assert found.path == os.path.join(workspace.root, *shown.split("/"))


def test_workspace_namespace_joins_installed_portions_but_yields_to_no_installed_package(workspace):
    workspace.own({"shared/own.py": "", "taken/own.py": ""})
    workspace.installed({"shared/theirs.py": "", "taken/__init__.py": "", "taken/theirs.py": ""})
    finder = workspace.finder()
    assert finder.find("shared.theirs").origin is Origin.ENVIRONMENT
    assert list(finder.submodules("shared")) == ["shared.own", "shared.theirs"]
    assert finder.find("taken.own").origin is Origin.WORKSPACE
    assert finder.find("taken.theirs") is None


@pytest.mark.parametrize(
    "source",
    [
        "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n",
        "__import__('pkg_resources').declare_namespace(__name__)\n",
    ],
)
def test_packages_that_extend_their_path_are_one(workspace, tmp_path, source):
    workspace.own({"firm/__init__.py": source, "firm/own.py": ""})
    workspace.installed({"firm/__init__.py": source, "firm/theirs.py": "", "firm/own.py": ""})
    for file in ("firm/__init__.py", "firm/sub/__init__.py", "firm/sub/deep.py"):
        path = tmp_path / "second" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    workspace.installed({"second.pth": str(tmp_path / "second")})
    finder = workspace.finder()
    assert finder.find("firm").origin is finder.find("firm.own").origin is Origin.WORKSPACE
    assert finder.find("firm.theirs").origin is Origin.ENVIRONMENT
    assert finder.find("firm.sub.deep").path == str(tmp_path / "second/firm/sub/deep.py")
    assert list(finder.submodules("firm")) == ["firm.own", "firm.sub", "firm.theirs"]
    assert finder.find("firm.none") is None


def test_workspace_module_shadows_the_standard_library(workspace):
    assert workspace.own({"queue.py": ""}).finder().find("queue").origin is Origin.WORKSPACE


def test_workspace_files_are_not_importable_through_the_search_path(workspace):
    workspace.own({"lib/helper.py": ""}, declared=False)
    workspace.installed({"lib.pth": f"{workspace.root / 'lib'}\n"})
    assert workspace.finder().find("helper") is None


def test_site_folder_inside_the_workspace_is_searched(tmp_path):
    site = tmp_path / ".venv/lib/python3/site-packages"
    site.mkdir(parents=True)
    (site / "pkg.py").write_text("")
    finder = ModuleFinder(
        tree=SourceTree(), workspace_modules=[], workspace_root=str(tmp_path), search_path=[str(site)]
    )
    assert finder.find("pkg").origin is Origin.ENVIRONMENT


def test_generated_modules_override_everything_and_hide_nothing_else(workspace):
    workspace.own({"models/resnet.py": ""}).installed({"pkg/__init__.py": "", "pkg/real.py": ""})
    finder = workspace.finder(
        generated=dict.fromkeys(["models.resnet", "pkg.extra", "fresh.__init__", "new.deep.leaf"], "x = 1\n")
    )
    assert finder.find("models.resnet").origin is Origin.GENERATED
    assert finder.find("pkg.extra").origin is Origin.GENERATED
    assert finder.find("pkg").kind is ModuleKind.PACKAGE
    assert finder.find("pkg.real").origin is Origin.ENVIRONMENT
    assert finder.find("fresh").kind is ModuleKind.PACKAGE
    assert finder.find("new.deep").kind is ModuleKind.NAMESPACE
    assert list(finder.submodules("pkg")) == ["pkg.extra", "pkg.real"]


def test_package_beats_extension_beats_source_beats_bytecode(workspace):
    suffix = EXTENSION_SUFFIXES[0]
    workspace.installed(
        {
            "a/__init__.py": "",
            f"a{suffix}": "",
            f"b{suffix}": "",
            "b.py": "",
            "c.py": "",
            "c.pyc": "",
            "d.pyc": "",
            f"e/__init__{suffix}": "",
            "e/sub.py": "",
        }
    )
    finder = workspace.finder()
    kinds = {name: finder.find(name).kind for name in ("a", "b", "c", "d", "e", "e.sub")}
    assert kinds == {
        "a": ModuleKind.PACKAGE,
        "b": ModuleKind.EXTENSION,
        "c": ModuleKind.SOURCE,
        "d": ModuleKind.BYTECODE,
        "e": ModuleKind.EXTENSION,
        "e.sub": ModuleKind.SOURCE,
    }


def test_names_match_case_sensitively_and_only_as_single_files(workspace):
    finder = workspace.installed({"Pkg/__init__.py": "", "Pkg/mod.py": ""}).finder()
    assert finder.find("Pkg.mod")
    for name in ("pkg", "Pkg.Mod", "Pkg/mod", "", ".", "Pkg.", ".Pkg", "Pkg..mod", "Pkg.mod.x", "Pkg\0"):
        assert finder.find(name) is None, name


def test_standard_library_builtin_frozen_and_of_other_platforms(workspace):
    finder = workspace.finder()
    for name in ("sys", "os", "os.path", "json.decoder", "__main__", "winreg", "msvcrt", "zipimport"):
        assert finder.find(name).origin is Origin.STDLIB, name
    assert finder.find("sys").kind is ModuleKind.BUILTIN
    assert finder.find("json").path.endswith("json/__init__.py")
    for name in ("json.nonsense", "os.nonsense", "sys.nonsense", "nonsense"):
        assert finder.find(name) is None, name


def test_editable_install_is_read_and_not_run(workspace, tmp_path):
    source = tmp_path / "project"
    (source / "src/pkg").mkdir(parents=True)
    (source / "src/pkg/__init__.py").write_text("")
    (source / "src/pkg/inner.py").write_text("")
    (source / "single.py").write_text("")
    (source / "spaces/nsp/part").mkdir(parents=True)
    (source / "spaces/nsp/part/leaf.py").write_text("")
    mapping = {"pkg": str(source / "src/pkg"), "single": str(source / "single")}
    namespaces = {"nsp": [str(source / "spaces/nsp")]}
    finder_module = "\n".join(
        [
            "import nothing_that_exists",
            f"MAPPING: dict[str, str] = {mapping!r}",
            f"NAMESPACES: dict[str, list[str]] = {namespaces!r}",
            "raise SystemExit('must not run')",
        ]
    )
    workspace.installed(
        {
            "__editable__.project-1.0.pth": "import __editable___project_1_0_finder; "
            "__editable___project_1_0_finder.install()\n",
            "__editable___project_1_0_finder.py": finder_module,
            "project-1.0.dist-info/METADATA": "Name: project\nVersion: 1.0\n",
            "project-1.0.dist-info/direct_url.json": json.dumps(
                {"url": f"file://{source}", "dir_info": {"editable": True}}
            ),
        }
    )
    finder = workspace.finder()
    inner = finder.find("pkg.inner")
    assert (inner.path, inner.shown) == (str(source / "src/pkg/inner.py"), "pkg/inner.py")
    assert inner.distribution == "project"
    assert finder.find("single").kind is ModuleKind.SOURCE
    assert finder.find("nsp").kind is ModuleKind.NAMESPACE
    assert finder.find("nsp.part.leaf").kind is ModuleKind.SOURCE


def test_plain_pth_lines_add_folders_and_import_lines_do_not_run(workspace, tmp_path):
    (tmp_path / "extra").mkdir()
    (tmp_path / "extra/linked.py").write_text("")
    marker = tmp_path / "ran"
    workspace.installed(
        {
            "a.pth": f"# comment\n\n{tmp_path / 'extra'}\nmissing-folder\n",
            "b.pth": f"import os; open({str(marker)!r}, 'w')\n",
        }
    )
    finder = workspace.finder()
    assert finder.find("linked").path == str(tmp_path / "extra/linked.py")
    assert not marker.exists()
    assert [os.path.basename(path) for path in finder.search_path.startup_code] == ["b.pth"]


def test_zip_file_on_the_path(tmp_path):
    egg = tmp_path / "lib.egg"
    with zipfile.ZipFile(egg, "w") as archive:
        archive.writestr("zipped/__init__.py", "")
        archive.writestr("zipped/mod.py", "")
    finder = ModuleFinder(
        tree=SourceTree(),
        workspace_modules=[],
        workspace_root=str(tmp_path / "w"),
        search_path=[str(egg), str(tmp_path / "absent.zip")],
    )
    found = finder.find("zipped.mod")
    assert (found.archive, found.shown) == (str(egg), "zipped/mod.py")


def test_a_name_of_thousands_of_parts_is_only_not_found(workspace):
    assert workspace.finder().find("a." * 5000 + "a") is None


def test_path_without_the_accidents_of_how_python_was_started(monkeypatch, tmp_path):
    kept, script, library = tmp_path / "kept", tmp_path / "bin", os.path.dirname(os.__file__)
    mark = "__editable__.some_project-1.0.finder.__path_hook__"
    monkeypatch.setattr(sys, "path", ["", str(script), os.getcwd(), library, str(kept), str(kept), mark])
    monkeypatch.setattr(sys, "argv", [str(script / "tool")])
    monkeypatch.setenv("PYTHONPATH", "")
    assert environment_search_path() == (library, str(kept))
    monkeypatch.setenv("PYTHONPATH", str(script))
    assert environment_search_path() == (str(script), library, str(kept))


def test_an_editable_install_counts_where_one_stands_in_it_too(monkeypatch, tmp_path):
    library = os.path.dirname(os.__file__)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), library, str(tmp_path)])
    assert environment_search_path() == (library, str(tmp_path))


def test_path_without_the_copies_that_setuptools_brings():
    code = "from hermpkg_build.analysis.search_path import environment_search_path as path\n"
    code += "before = path()\nimport setuptools\nassert path() == before, set(path()) - set(before)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("package", ["networkx", "kornia", "rich", "json", "numpy", "yaml", "packaging"])
def test_every_module_is_found_where_the_import_system_finds_it(package):
    pytest.importorskip(package)
    path = list(environment_search_path())
    finder = ModuleFinder(
        tree=SourceTree(), workspace_modules=[], workspace_root="/nowhere", search_path=path
    )
    queue, locations = [package], {"": path}
    compared = 0
    while queue:
        name = queue.pop()
        parent, _, tail = name.rpartition(".")
        # By its last part: PathFinder would look for the parent of a namespace package in sys.modules.
        spec = PathFinder.find_spec(tail, locations[parent])
        found = finder.find(name)
        assert (found is None) == (spec is None), name
        if spec is None:
            continue
        if spec.has_location:
            assert found.path == spec.origin
        else:
            assert found.kind is ModuleKind.NAMESPACE, name
        compared += 1
        if spec.submodule_search_locations is not None:
            locations[name] = list(spec.submodule_search_locations)
            queue += finder.submodules(name)
    assert compared > 3


def test_hooks_of_other_tools_are_read_and_not_run(workspace, tmp_path):
    source, built = tmp_path / "source", tmp_path / "built"
    plan = {
        "python": {
            str(source / "planned/__init__.py"): {"destination": "{py_purelib}/planned/__init__.py"},
            str(built / "made.py"): {"destination": "{py_platlib}/planned/made.py"},
            str(built / "notes.txt"): {"destination": "{datadir}/notes.txt"},
        },
        "install_subdirs": {str(source / "tree"): {"destination": "{py_purelib}/tree"}},
    }
    for file in (
        *("mapped/__init__.py", "mapped/inside.py", "single.py"),
        *("planned/__init__.py", "tree/__init__.py", "tree/deep/leaf.py", "known/__init__.py"),
    ):
        (source / file).parent.mkdir(parents=True, exist_ok=True)
        (source / file).touch()
    (built / "meson-info").mkdir(parents=True)
    (built / "made.py").touch()
    (built / "meson-info/intro-install_plan.json").write_text(json.dumps(plan))
    workspace.installed(
        {
            "one.pth": "import _one_hook\n",
            "_one_hook.py": "from redirect import Finder as F\nF.install()\n"
            f"F.map_module('mapped', {str(source / 'mapped/__init__.py')!r})\n"
            f"F.map_module('single', {str(source / 'single.py')!r})\n",
            "two.pth": "import _two_hook; _two_hook.init()\n",
            "_two_hook.py": f"def init():\n    find('two', {{'planned'}}, {str(built)!r}, ['ninja'])\n",
            "three.pth": "import _three_hook\n",
            "_three_hook.py": f"install({{'known': {str(source / 'known/__init__.py')!r}}}, {{}}, None)\n",
            "four.pth": "import _four_hook\n",
            "_four_hook.py": "raise SystemExit\n",
        }
    )
    finder = workspace.finder()
    found = {
        "mapped": source / "mapped/__init__.py",
        "mapped.inside": source / "mapped/inside.py",
        "single": source / "single.py",
        "planned": source / "planned/__init__.py",
        "planned.made": built / "made.py",
        "tree": source / "tree/__init__.py",
        "tree.deep.leaf": source / "tree/deep/leaf.py",
        "known": source / "known/__init__.py",
    }
    assert {name: finder.find(name).path for name in found} == {k: str(path) for k, path in found.items()}
    assert finder.find("mapped.absent") is None
    assert finder.hooks_for("four") == ["four.pth"]
