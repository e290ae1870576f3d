"""Attributes read the same, whether their labels are there already or made when somebody asks."""

from __future__ import annotations

from dataclasses import replace

from hermpkg_build.core.label import Label, LabelsInPackage
from hermpkg_build.core.target import BuildFile, PackageTest, PythonModules, RuleTarget
from hermpkg_build.engine.queries.attribute_texts import attribute_texts, declaration
from hermpkg_build.loading.build_file_codec import encode_build_file

FILES = (Label("p", "a.py"), Label("p", "d/b.py"))
MADE = LabelsInPackage("p", ("a.py", "d/b.py"))
MODULES = PythonModules(label=Label("p", "lib"), srcs=FILES, resources=FILES, deps=FILES)
TEST = PackageTest(label=Label("p", "check"), package=Label("p", "art"), main=FILES[0], data=FILES)


def readings(target: RuleTarget) -> list[object]:
    """All that is made of the attributes of a target for somebody else."""
    file = BuildFile(package="p", path="p/BUILD", targets={target.label.name: target})
    return [attribute_texts(target), declaration(target), encode_build_file(file), [*target.labelled()]]


def test_labels_that_are_made_read_like_labels() -> None:
    made = [replace(MODULES, srcs=MADE, resources=MADE, deps=MADE), replace(TEST, data=MADE)]
    assert [readings(target) for target in made] == [readings(MODULES), readings(TEST)]
    assert attribute_texts(made[0])["srcs"] == "[//p:a.py, //p:d/b.py]"
