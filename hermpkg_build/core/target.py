"""Targets: a class for each rule of BUILD files, and classes for source files.

The fields of a rule's class are the attributes that BUILD files give it. They are the one table of rules:
`loading.rules` reads it to check BUILD files, and the rules for Bazel and the reference are made from it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import ClassVar

from hermpkg_build.core.attributes import Attribute, AttributeType, Form, attribute, attributes_of
from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.label import Label
from hermpkg_build.core.made_sequence import MadeSequence
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.errors import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a label names: a target of a BUILD file, or a source file.

    `rule` is the name that BUILD files and messages have for the kind of target. `visibility` is absolute:
    ``//visibility:public``, ``//visibility:private``, ``//pkg:__pkg__`` or ``//pkg:__subpackages__``.
    `location` is where a BUILD file declares it, and takes no part in equality.
    """

    rule: ClassVar[str]

    label: Label
    visibility: tuple[str, ...] = ()
    location: Location | None = field(default=None, compare=False)

    @property
    def dependencies(self) -> tuple[Label, ...]:
        """List the targets of rules that this one names, each once."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTarget(Target):
    """A file of a package that no `python_modules` target lists."""

    rule: ClassVar[str] = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleTarget(Target):
    """A file that the `python_modules` target `owner` lists."""

    rule: ClassVar[str] = "module"

    owner: Label

    @property
    def dependencies(self) -> tuple[Label, ...]:
        """List its owner."""
        return (self.owner,)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTarget(Target):
    """A target that a BUILD file declares, with all attributes of its rule: given, or the default.

    Attributes that name targets or files hold `Label`s.
    """

    deps: Sequence[Label] = attribute(
        "The `python_modules` targets whose modules this target may use.",
        default=[],
        rules=["python_modules"],
    )
    tags: tuple[str, ...] = ()

    def labelled(self) -> Iterator[tuple[Attribute, Label]]:
        """Give the labels in its attributes, in the order of the table, each with its attribute."""
        for known, labels in self.labels_by_attribute():
            yield from ((known, label) for label in labels)

    def labels_by_attribute(self) -> Iterator[tuple[Attribute, Collection[Label]]]:
        """Give the labels in each of its attributes that has labels, in the order of the table."""
        for known in ATTRIBUTES[type(self)]:
            value = getattr(self, known.name)
            if known.type is AttributeType.LABEL and value is not None:
                yield known, (value,)
            elif known.type is AttributeType.LABELS:
                yield known, value
            elif known.type is AttributeType.LABEL_DICT:
                yield known, value.values()

    @property
    def dependencies(self) -> tuple[Label, ...]:
        """List the targets of rules that this one names, each once."""
        found = (labels for known, labels in self.labels_by_attribute() if known.rules)
        return tuple(dict.fromkeys(label for labels in found for label in labels))


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonModules(RuleTarget):
    """Python source files, each of which becomes a module target."""

    rule: ClassVar[str] = "python_modules"

    srcs: Sequence[Label] = attribute(
        "Source files of this package. `a/b.py` below a source root is the module `a.b`.", suffixes=[".py"]
    )
    resources: Sequence[Label] = attribute(
        "Data files that the modules read at run time, packed beside them. Factories find them by their "
        "paths from the workspace root, too.",
        default=[],
        suffixes=[""],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Model(RuleTarget):
    """A model object: what a factory function returns, run in a process of its own."""

    rule: ClassVar[str] = "model"

    factory: str = attribute("The function that makes the model, as `module:function`.", form=Form.FACTORY)
    args: Mapping[str, Json] = attribute("Keyword arguments of the factory.", default={})
    seed: int = attribute("The seed of torch's, numpy's and Python's random numbers.", default=0)
    weights: Label | None = attribute(
        "A file of tensors for `load_state_dict`: safetensors, or what `torch.save` wrote.",
        default=None,
        suffixes=[""],
    )
    weights_key: str | None = attribute(
        "Where the state dict is inside of `weights`, such as `state_dict` in a checkpoint of a training.",
        default=None,
        form=Form.TEXT,
    )
    weights_prefix: str | None = attribute(
        "What keys of the state dict begin with, which the model's lack; other keys are left out.",
        default=None,
        form=Form.TEXT,
    )
    cpu: str = attribute(
        "What the factory computes with: `baseline` is what every processor of the architecture has, so that "
        "numbers are the same on all of them; `native` is all that the building processor has.",
        default="baseline",
        form=Form.CPU,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPackage(RuleTarget):
    """An artifact: models, the code they need, and resources, in one file."""

    rule: ClassVar[str] = "model_package"

    models: Mapping[str, Label] = attribute(
        "The pickles of the artifact and the models that they hold.",
        default={},
        rules=["model"],
        key_form=Form.PICKLE,
    )
    modules: tuple[str, ...] = attribute(
        "Modules to pack beside those that the models need.", default=[], form=Form.MODULE
    )
    resources: Mapping[str, Label] = attribute(
        "Files of the artifact and the workspace files that they are copies of.",
        default={},
        suffixes=[""],
        key_form=Form.RECORD,
    )
    sources: Mapping[str, str] = attribute(
        "Modules written here, name and source text. `a.__init__` makes `a` a package.",
        default={},
        key_form=Form.MODULE,
    )
    policy: tuple[PolicyRule, ...] = attribute(
        "What becomes of each module; the first rule that matches it decides.", default=[]
    )
    requires: Mapping[str, str] = attribute(
        "Versions of installed distributions that the artifact accepts where it is loaded.",
        default={},
        form=Form.SPECIFIER,
        key_form=Form.DISTRIBUTION,
    )
    files: str = attribute(
        "What packed code finds in `__file__`: `real` paths, `mangled` names, or with `auto` "
        "real paths where the code asks for its place.",
        default="auto",
        form=Form.FILES,
    )
    installed_files: tuple[str, ...] = attribute(
        "Files of packed distributions to pack beside their modules, as globs over paths from where they are "
        "installed (`lib/lib*.so`): those that code opens by names that only run time knows.",
        default=[],
        form=Form.PATH_GLOB,
    )
    environment: Label | None = attribute(
        "The lock that has the hashes of what the artifact needs where it lands: `pylock.toml`, `uv.lock`, "
        "`poetry.lock`, or requirements with hashes. The default is that of the workspace.",
        default=None,
        suffixes=[""],
    )
    out: str | None = attribute(
        "The artifact's file name. The default is the target's name with `.pt`.",
        default=None,
        form=Form.OUTPUT,
    )
    python_version: str | None = attribute(
        "The Python version to record. The default is that of the building interpreter.",
        default=None,
        form=Form.PYTHON_VERSION,
    )

    @property
    def output(self) -> str:
        """Return the artifact's path in the output folder of its package: `out`, or the name with ``.pt``."""
        return self.out or f"{self.label.name}.pt"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageTest(RuleTarget):
    """A program that is run with an artifact; the test passes when it exits with 0."""

    rule: ClassVar[str] = "package_test"

    package: Label = attribute("The artifact to test.", rules=["model_package"])
    main: Label = attribute("The program, a file.", suffixes=[".py"])
    args: tuple[str, ...] = attribute("Its command line, after the path of the artifact.", default=[])
    env: Mapping[str, str] = attribute("Environment variables to add.", default={}, key_form=Form.VARIABLE)
    timeout: int = attribute(
        "Seconds after which the test is stopped and has failed.", default=60, form=Form.POSITIVE
    )
    flaky: bool = attribute(
        "Whether the test is tried up to three times, and has passed when one of them did.", default=False
    )
    data: Sequence[Label] = attribute(
        "Files that the test reads, at their paths in the workspace below the folder that it starts in.",
        default=[],
        suffixes=[""],
    )


ATTRIBUTES: Mapping[type[RuleTarget], tuple[Attribute, ...]] = {
    rule: tuple(sorted(attributes_of(rule), key=lambda known: known.name == "deps"))
    for rule in (PythonModules, Model, ModelPackage, PackageTest)
}
"""The rules, each with its attributes: its own in their order, then `deps`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredModule:
    """One Python module of a `python_modules` target: a file with a label and a dotted name.

    `path` is relative to the workspace root; `owner` is the `python_modules` target.
    """

    label: Label
    module: str
    path: str
    owner: Label

    @property
    def is_package(self) -> bool:
        """Whether the file is an ``__init__.py``."""
        return self.path.rpartition("/")[2] == "__init__.py"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class DeclaredModules(MadeSequence[DeclaredModule]):
    """The modules of the `python_modules` target `owner`: the files `labels`, and the `names` that they have.

    `parents` are the packages that modules lie in, "" for top-level ones, each with the folder above all of
    it, which ends in a slash or is "".
    """

    owner: Label
    labels: Sequence[Label]
    names: Sequence[str]
    parents: frozenset[tuple[str, str]]

    def __len__(self) -> int:
        return len(self.names)

    def made(self, at: int) -> DeclaredModule:
        """Make the module at a place."""
        label = self.labels[at]
        return DeclaredModule(label=label, module=self.names[at], path=label.path, owner=self.owner)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFile:
    """What one BUILD file declares, in order of declaration.

    `path` is relative to the workspace root. `exports` are the files that `exports_files` names,
    each with its visibility; other files that targets name have `default_visibility`. `messages` is what
    `print` was given, each with its place; `loads` are the .bzl files behind it, by their paths.
    """

    package: str
    path: str
    targets: Mapping[str, RuleTarget]
    exports: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    default_visibility: tuple[str, ...] = ()
    messages: tuple[tuple[Location, str], ...] = ()
    loads: tuple[str, ...] = ()
