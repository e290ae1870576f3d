"""The public names: all there, and none of them loaded before it is used."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import hermpkg_build

HEAVY = ("torch", "starlark", "rich", "sqlite3", "subprocess", "zipfile", "hermpkg_build.engine")


@pytest.mark.parametrize("name", hermpkg_build.__all__)
def test_every_public_name_is_there(name):
    assert getattr(hermpkg_build, name) is not None
    assert name in dir(hermpkg_build)


def test_type_checkers_see_the_same_names():
    source = Path(hermpkg_build.__file__).read_text()
    imports = [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom) and node.level == 0
    ]
    seen = {
        (node.module, alias.name) for node in imports for alias in node.names if alias.asname == alias.name
    }
    prefix = f"{hermpkg_build.__name__}."
    assert seen == {(prefix + home, name) for name, home in hermpkg_build._HOMES.items()}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="PackageImproter"):
        hermpkg_build.PackageImproter  # noqa: B018


def public_functions():
    """All functions that users call by a public name, with that name."""
    for name in hermpkg_build.__all__:
        found = getattr(hermpkg_build, name)
        if inspect.isroutine(found):
            yield name, found
        if inspect.isclass(found):
            public = [each for each in dir(found) if not each.startswith("_")]
            for member in ["__init__", *public]:
                value = inspect.getattr_static(found, member)
                value = getattr(value, "__func__", value)
                if inspect.isfunction(value):
                    yield f"{name}.{member}", value


def test_help_shows_defaults_that_can_be_read():
    signatures = {name: str(inspect.signature(function)) for name, function in public_functions()}
    assert {name for name, text in signatures.items() if " at 0x" in text} == set()
    assert "sys_importer" in signatures["PackageExporter.__init__"]


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after `statement`."""
    script = f"{statement}\nimport sys\nprint(*sys.modules, sep='\\n')"
    completed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(completed.stdout.splitlines())


def test_importing_the_package_loads_nothing_else():
    extra = loaded_by("import hermpkg_build") - loaded_by("import __future__, typing")
    assert extra == {"hermpkg_build", "hermpkg_build.version"}


def test_the_importer_loads_neither_torch_nor_the_build_side():
    loaded = loaded_by("from hermpkg_build import PackageImporter")
    assert not {name for name in loaded if name in ("torch", "starlark", "rich", "sqlite3")}
    assert not {name for name in loaded if name.startswith(("hermpkg_build.engine", "hermpkg_build.loading"))}


def test_a_command_loads_only_what_it_needs():
    loaded = loaded_by("import hermpkg_build.cli.main, sys\nhermpkg_build.cli.main.main(['version'])")
    assert not loaded & {*HEAVY, "argparse", "logging", "hermpkg_build.cli.commands.info"}
