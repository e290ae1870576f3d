"""Where the names of a project's modules count from, by what each build tool is told or does by itself."""

from __future__ import annotations

import pytest

from hermpkg_build.loading.layout import find_layout, project_name


def backend(name):
    return {"build-system": {"build-backend": name}, "project": {"name": "Sen-tim"}}


def before(*requires):
    """The document of a project whose wheels our own backend has another one make."""
    system = {"build-backend": "hermpkg_build.backend", "requires": [*requires, "hermpkg-build"]}
    return {"build-system": system, "project": {"name": "Sen-tim"}}


def tool(*keys, **value):
    document = value
    for key in reversed(keys):
        document = {key: document}
    return {"tool": document}


@pytest.mark.parametrize(
    ("document", "roots"),
    [
        (tool("setuptools", **{"package-dir": {"": "lib"}}), ("lib", "")),
        (tool("setuptools", **{"package-dir": {"sentim": "lib/sentim"}}), ("lib", "")),
        (tool("setuptools", **{"package-dir": {"sentim": "lib/other"}}), ("",)),
        (tool("setuptools", "packages", "find", where=["lib", "src"]), ("lib", "src", "")),
        (tool("setuptools", "packages", "find", where=["."]), ("",)),
        (tool("hatch", "build", "targets", "wheel", packages=["lib/sentim"]), ("lib", "")),
        (tool("hatch", "build", "targets", "wheel", packages=["sentim"]), ("",)),
        (tool("hatch", "build", "targets", "wheel", sources=["lib"]), ("lib", "")),
        (tool("hatch", "build", sources={"lib": ""}), ("lib", "")),
        (tool("poetry", packages=[{"include": "sentim", "from": "lib"}]), ("lib", "")),
        (tool("poetry", packages=[{"include": "sentim"}]), ("",)),
        (tool("pdm", "build", **{"package-dir": "lib"}), ("lib", "")),
        (tool("uv", "build-backend", **{"module-root": "lib"}), ("lib", "")),
        (tool("uv", "build-backend", **{"module-root": ""}), ("",)),
        (tool("maturin", **{"python-source": "lib"}), ("lib", "")),
        (tool("scikit-build", "wheel", packages=["lib/sentim"]), ("lib", "")),
        (backend("setuptools.build_meta"), ("src", "")),
        (backend("hatchling.build"), ("src", "")),
        (backend("poetry.core.masonry.api"), ("src", "")),
        (backend("flit_core.buildapi"), ("src", "")),
        (backend("pdm.backend"), ("src", "")),
        (backend("uv_build"), ("src", "")),
        (before("pdm-backend"), ("src", "")),
        (before("uv_build>=0.9", "setuptools"), ("src", "")),
        ({**backend("setuptools.build_meta"), **tool("setuptools", packages=["sentim"])}, ("",)),
        ({}, ("",)),
        (tool("setuptools", **{"package-dir": {"": "../outside"}}), ("",)),
        (tool("setuptools", **{"package-dir": ["no table"], "packages": 3}), ("",)),
        ({"tool": "no table", "build-system": [], "project": 1}, ("",)),
    ],
)
def test_the_roots_are_those_of_the_build_tool(tmp_path, document, roots):
    for path in ("lib/sentim", "lib/other", "src/sen_tim"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "src/sen_tim/__init__.py").touch()
    assert find_layout(document, str(tmp_path)).source_roots == roots


def test_a_folder_src_that_is_a_package_or_has_another_one_is_no_root(tmp_path):
    (tmp_path / "src/other").mkdir(parents=True)
    assert find_layout(backend("hatchling.build"), str(tmp_path)).source_roots == ("",)
    (tmp_path / "src/__init__.py").touch()
    assert find_layout(backend("setuptools.build_meta"), str(tmp_path)).source_roots == ("",)


def test_the_name_of_the_project_is_read_without_trust():
    assert project_name(backend("flit_core")) == "Sen-tim"
    assert project_name(tool("poetry", name="sentim")) == "sentim"
    assert project_name({"project": {"name": 3}}) == ""
