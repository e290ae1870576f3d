"""Where module names count from in a project, when its build tool does not say so."""

from __future__ import annotations

import os

import pytest

from hermpkg_build.errors import CommandLineError
from hermpkg_build.generate.project.source_roots import (
    factory_file,
    name_by_setup_files,
    project_layout,
    roots_for_imports,
)
from hermpkg_build.loading.layout import Layout

HATCH = {"build-system": {"build-backend": "hatchling.build"}, "project": {"name": "app"}}


@pytest.mark.parametrize(
    ("files", "roots"),
    [
        ({"app/net.py": ""}, ("",)),
        ({"src/app/net.py": ""}, ("src", "")),
        ({"src/__init__.py": "", "src/net.py": ""}, ("",)),
        ({"src/net.py": "", "train.py": "from src.net import make"}, ("",)),
        ({"lib/app/net.py": "", "setup.cfg": "[options]\npackage_dir =\n  =lib\n"}, ("lib", "")),
        ({"lib/app/net.py": "", "setup.cfg": "[options.packages.find]\nwhere = lib\n"}, ("lib", "")),
        ({"lib/app/net.py": "", "setup.py": "setup(package_dir={'': 'lib'})"}, ("lib", "")),
        ({"lib/app/net.py": "", "setup.py": "setup(packages=find_packages(where='lib'))"}, ("lib", "")),
        ({"lib/app/net.py": "", "setup.py": "setup(package_dir=what())"}, ("",)),
        ({"a/net.py": "", "setup.cfg": "no settings"}, ("",)),
        ({".venv/pyvenv.cfg": "", ".venv/src/x.py": "", "a.py": ""}, ("",)),
        (
            {
                "packages/core/pyproject.toml": "[build-system]\nbuild-backend = 'hatchling.build'\n"
                "[project]\nname = 'core'\n",
                "packages/core/src/core/__init__.py": "",
            },
            ("packages/core/src", ""),
        ),
        ({"src/node/setup.py": "setup()", "src/node/node/__init__.py": ""}, ("src/node", "src", "")),
        ({"src/node/setup.py": "setup()", "src/node/__init__.py": ""}, ("src", "")),
        ({"a/setup.py": "setup(package_dir={'': 'lib'})", "a/lib/x.py": ""}, ("a/lib", "")),
        ({"tests/a/setup.py": "setup()", "app.py": ""}, ("",)),
    ],
)
def test_the_roots_of_a_project(project, files, roots):
    assert project_layout({}, project(files)).source_roots == roots


def test_imports_outweigh_the_build_tool(project):
    sources = project({"src/app/__init__.py": "", "train.py": "import src.app"})
    assert project_layout(HATCH, sources).source_roots == ("",)


def test_a_script_finds_what_lies_beside_it(project):
    sources = project(
        {"code/train.py": "import os, nets.a\n", "code/nets/a.py": "import more", "code/more.py": ""}
    )
    layout = roots_for_imports("code/train.py", Layout(), sources)
    assert layout.source_roots == ("code", "")
    assert "code/train.py:1 imports nets" in layout.reason


def test_what_is_installed_or_of_the_standard_library_is_no_folder(project):
    sources = project({"a/b.py": "import json, packaging\n", "a/json/x.py": "", "a/packaging/x.py": ""})
    assert roots_for_imports("a/b.py", Layout(), sources).source_roots == ("",)


def test_a_factory_is_found_by_module_by_the_end_of_a_path_and_by_path(project, monkeypatch):
    sources = project({"code/train.py": "", "app/net.py": "", "x/twice.py": "", "y/twice.py": ""})
    monkeypatch.chdir(os.path.join(sources.root, "app"))
    assert factory_file("app.net", Layout(), sources)[:2] == ("app/net.py", "app.net")
    assert factory_file("net.py", Layout(), sources)[:2] == ("app/net.py", "app.net")
    path, module, layout = factory_file("train", Layout(), sources)
    assert (path, module, layout.source_roots) == ("code/train.py", "train", ("code", ""))
    with pytest.raises(CommandLineError, match="may be several"):
        factory_file("twice", Layout(), sources)
    with pytest.raises(CommandLineError, match="no module nowhere"):
        factory_file("nowhere", Layout(), sources)
    with pytest.raises(CommandLineError, match="no file"):
        factory_file("nowhere.py", Layout(), sources)


@pytest.mark.parametrize(
    "setup",
    [
        "setup(package_dir={[]: 'x'})",
        "setup(where=" + "-" * 20_000 + "1)",
        "setup(where=(" + "(" * 300,
        "x\0",
    ],
)
def test_a_setup_py_that_says_nothing_sound_says_nothing(project, setup):
    assert project_layout({}, project({"a/net.py": "", "setup.py": setup})).source_roots == ("",)


def test_pipes_and_devices_in_a_project_are_no_files_of_it(project, tmp_path):
    sources = project({"a/net.py": "import b\n"})
    for name in ("setup.cfg", "setup.py", "a/pipe.py"):
        os.mkfifo(os.path.join(sources.root, name))
    os.symlink("/dev/zero", os.path.join(sources.root, "a", "zero.py"))
    os.symlink(".", os.path.join(sources.root, "a", "again"))
    assert project_layout({}, sources).source_roots == ("",)
    assert sources.data("a/pipe.py") == sources.data("a/zero.py") == b""


def test_a_project_below_whose_settings_take_too_long_says_nothing(project):
    key = ".".join(["a"] * 50_000)
    sources = project({"a/net.py": "", "b/pyproject.toml": f"[tool.x]\n{key} = 1\n", "b/x.py": ""})
    assert "" in project_layout({}, sources).source_roots


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"setup.py": "from setuptools import setup\nsetup(name='sen-tim')"}, "sen-tim"),
        ({"setup.py": "import setuptools\nif 1:\n    setuptools.setup(name='sentim')"}, "sentim"),
        ({"setup.py": "setup(ext_modules=[Extension(name='other')])"}, ""),
        ({"setup.py": "setup(name=find_name())", "setup.cfg": "[metadata]\nname = other\n"}, ""),
        ({"setup.py": "setup(name=3)"}, ""),
        ({"setup.py": "raise SystemExit\nsetup(name='sentim')"}, "sentim"),
        ({"setup.py": "setup()", "setup.cfg": "[metadata]\nname = sentim\n"}, "sentim"),
        ({"setup.py": "setup(name='own')", "setup.cfg": "[metadata]\nname = other\n"}, "own"),
        ({"setup.cfg": "[metadata]\nversion = 1\n"}, ""),
        ({"setup.cfg": "no settings"}, ""),
        ({"setup.py": "x\0"}, ""),
        ({}, ""),
    ],
)
def test_the_name_in_setup_files_is_read_and_nothing_runs(project, files, name):
    assert name_by_setup_files(project({"a/net.py": "", **files})) == name
