"""Which projects of a workspace the artifacts of a package belong to."""

from __future__ import annotations

import pytest

from hermpkg_build.errors import HermpkgError
from hermpkg_build.loading.wheel_settings import WheelPart
from hermpkg_build.wheels.packages import packages_of
from hermpkg_build.wheels.projects import Project

FILES = {
    "a": ["firm/shop/__init__.py", "firm/shop/x.py", "a-1.dist-info/METADATA", "top.py"],
    "b": ["firm/other/y.py", "lone/data/z.csv"],
}


@pytest.mark.parametrize(
    ("package", "owners"),
    [
        ("firm.shop", "a"),
        ("firm.shop.models", "a"),
        ("firm.other", "b"),
        ("firm.other.models", ""),  # Another project can have it: a namespace is nobody's alone.
        ("firm", ""),
        ("firm.sho", ""),
        ("lone.data", "b"),
        ("top", ""),
        ("a-1.dist-info", ""),
    ],
)
def test_a_package_is_the_project_s_that_has_it(package, owners):
    found = [name for name, files in FILES.items() if packages_of(files).has(package)]
    assert found == [*owners]


def test_one_part_at_the_root_of_a_workspace_needs_no_such_package():
    part, other = (WheelPart(targets=("//:x",), package=name) for name in ("new.place", "firm.shop"))
    packages = packages_of(FILES["a"])
    assert Project(folder="", parts=(part,), is_root=True).own_parts(packages) == (part,)
    assert Project(folder="", parts=(part,)).own_parts(packages) == ()
    assert Project(folder="", parts=(part, other), is_root=True).own_parts(packages) == (other,)
    assert Project(folder="", parts=(WheelPart(targets=("//:x",)),), is_root=True).own_parts(packages) == ()


@pytest.mark.parametrize(
    ("files", "is_module"),
    [
        (["new.py"], True),
        (["new.py", "new/data.csv"], True),
        (["new.py", "new/__init__.py"], False),
        (["new/__init__.py"], False),
    ],
)
def test_a_single_module_can_have_no_artifact(files, is_module):
    """Python imports the file, and finds no data in a folder beside it."""
    part = WheelPart(targets=("//:x",), package="new")
    project = Project(folder="", parts=(part,), is_root=True)
    if is_module:
        with pytest.raises(HermpkgError, match=r"new is a module, new\.py, and no package"):
            project.own_parts(packages_of(files))
    else:
        assert project.own_parts(packages_of(files)) == (part,)
