"""The table of rules and functions of BUILD files: the one place that says what each may be given."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from hermpkg_build.core.canonical_json import Json

DEFS_LABEL = "@hermpkg//rules:defs.bzl"
"""The file that BUILD files load rules and policy functions from."""

RULES_VERSION = "3"
"""Changes whenever the same BUILD file could give other targets."""


class AttributeType(enum.Enum):
    """What an attribute holds; the value is how errors and documentation name it."""

    STRING = "a string"
    INTEGER = "an integer"
    BOOLEAN = "a boolean"
    STRINGS = "a list of strings"
    STRING_OR_STRINGS = "a string or a list of strings"
    LABEL = "a label"
    LABELS = "a list of labels"
    LABEL_DICT = "a dictionary from strings to labels"
    STRING_DICT = "a dictionary from strings to strings"
    JSON_DICT = "a dictionary of JSON values"
    POLICY = "a list of policy rules"


class Form(enum.Enum):
    """What strings of an attribute must look like; the value says so in an error."""

    FACTORY = "module:function, such as models.resnet:resnet18"
    MODULE = "a dotted module name, such as models.resnet"
    MODULE_GLOB = "a glob over dotted module names, such as models.** or torch.*.fx"
    PATH_GLOB = "a glob over paths, such as **/*.py"
    RECORD = "a path inside the artifact, such as config/words.txt"
    PICKLE = "a folder and a name inside the artifact, such as model/model.pkl"
    OUTPUT = "a path inside the package's output folder, such as resnet.pt"
    VARIABLE = "the name of an environment variable, such as OMP_NUM_THREADS"
    DISTRIBUTION = "the name of a distribution, such as torch"
    SPECIFIER = "a PEP 440 version specifier, such as >=2.4,<3"
    PYTHON_VERSION = "a Python version, such as 3.11"
    TARGET_NAME = "the name of a target, such as resnet"
    VISIBILITY = "//visibility:public, //visibility:private, //pkg:__pkg__ or //pkg:__subpackages__"
    FILE = "the name of a file of this package"
    TAG = "a word without blanks"
    POSITIVE = "a positive number"
    FILES = 'one of "auto", "real" and "mangled"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute of a rule, or one parameter of a function.

    Labels may name targets of `rules`, and files whose names end in one of `suffixes` ("" for
    any). `form` is that of the strings, `key_form` that of a dictionary's keys.
    """

    name: str
    type: AttributeType
    doc: str
    mandatory: bool = False
    default: Json = None
    rules: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    form: Form | None = None
    key_form: Form | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function of BUILD files: what it is for, and what it takes, in order.

    The first `positional` attributes may be given without their names.
    """

    name: str
    doc: str
    attributes: Mapping[str, Attribute]
    positional: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Function):
    """A function that declares a target."""


_NAME = Attribute(
    name="name",
    type=AttributeType.STRING,
    mandatory=True,
    form=Form.TARGET_NAME,
    doc="The target's name, unique in its package.",
)
_DEPS = Attribute(
    name="deps",
    type=AttributeType.LABELS,
    default=[],
    rules=("python_modules",),
    doc="The `python_modules` targets whose modules this target may use.",
)
_VISIBILITY = Attribute(
    name="visibility",
    type=AttributeType.STRINGS,
    form=Form.VISIBILITY,
    doc="The packages that may depend on the target. The default is that of `package()`, else private.",
)
_TAGS = Attribute(
    name="tags",
    type=AttributeType.STRINGS,
    default=[],
    form=Form.TAG,
    doc="Free words. `manual` keeps the target out of `:all` and `...`.",
)


TARGET_FIELDS = ("name", "visibility", "tags")
"""The attributes that every rule has and that are fields of Target, not among its attributes."""


def _rule(name: str, doc: str, *attributes: Attribute) -> Rule:
    return Rule(
        name=name, doc=doc, attributes={a.name: a for a in (_NAME, *attributes, _DEPS, _VISIBILITY, _TAGS)}
    )


def _function(name: str, doc: str, *parameters: Attribute, positional: int = 0) -> Function:
    return Function(name=name, doc=doc, attributes={p.name: p for p in parameters}, positional=positional)


RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        _rule(
            "python_modules",
            "Python source files, each of which becomes a module target.",
            Attribute(
                name="srcs",
                type=AttributeType.LABELS,
                mandatory=True,
                suffixes=(".py",),
                doc="Source files of this package. `a/b.py` below a source root is the module `a.b`.",
            ),
            Attribute(
                name="resources",
                type=AttributeType.LABELS,
                default=[],
                suffixes=("",),
                doc="Data files that the modules read at run time, packed beside them.",
            ),
        ),
        _rule(
            "model",
            "A model object: what a factory function returns, run in a process of its own.",
            Attribute(
                name="factory",
                type=AttributeType.STRING,
                mandatory=True,
                form=Form.FACTORY,
                doc="The function that makes the model, as `module:function`.",
            ),
            Attribute(
                name="args",
                type=AttributeType.JSON_DICT,
                default={},
                doc="Keyword arguments of the factory.",
            ),
            Attribute(
                name="seed",
                type=AttributeType.INTEGER,
                default=0,
                doc="The seed of torch's, numpy's and Python's random numbers.",
            ),
            Attribute(
                name="weights",
                type=AttributeType.LABEL,
                suffixes=(".safetensors", ".pt", ".pth", ".bin"),
                doc="A file of tensors for `load_state_dict`: `.safetensors`, or what `torch.save` wrote.",
            ),
        ),
        _rule(
            "model_package",
            "An artifact: models, the code they need, and resources, in one file.",
            Attribute(
                name="models",
                type=AttributeType.LABEL_DICT,
                default={},
                rules=("model",),
                key_form=Form.PICKLE,
                doc="The pickles of the artifact and the models that they hold.",
            ),
            Attribute(
                name="modules",
                type=AttributeType.STRINGS,
                default=[],
                form=Form.MODULE,
                doc="Modules to pack beside those that the models need.",
            ),
            Attribute(
                name="resources",
                type=AttributeType.LABEL_DICT,
                default={},
                suffixes=("",),
                key_form=Form.RECORD,
                doc="Files of the artifact and the workspace files that they are copies of.",
            ),
            Attribute(
                name="sources",
                type=AttributeType.STRING_DICT,
                default={},
                key_form=Form.MODULE,
                doc="Modules written here, name and source text. `a.__init__` makes `a` a package.",
            ),
            Attribute(
                name="policy",
                type=AttributeType.POLICY,
                default=[],
                doc="What becomes of each module; the first rule that matches it decides.",
            ),
            Attribute(
                name="requires",
                type=AttributeType.STRING_DICT,
                default={},
                form=Form.SPECIFIER,
                key_form=Form.DISTRIBUTION,
                doc="Versions of installed distributions that the artifact accepts where it is loaded.",
            ),
            Attribute(
                name="files",
                type=AttributeType.STRING,
                default="auto",
                form=Form.FILES,
                doc="What packed code finds in `__file__`: `real` paths, `mangled` names, or with `auto` "
                "real paths where the code asks for its place.",
            ),
            Attribute(
                name="out",
                type=AttributeType.STRING,
                form=Form.OUTPUT,
                doc="The artifact's file name. The default is the target's name with `.pt`.",
            ),
            Attribute(
                name="python_version",
                type=AttributeType.STRING,
                form=Form.PYTHON_VERSION,
                doc="The Python version to record. The default is that of the building interpreter.",
            ),
        ),
        _rule(
            "package_test",
            "A program that is run with an artifact; the test passes when it exits with 0.",
            Attribute(
                name="package",
                type=AttributeType.LABEL,
                mandatory=True,
                rules=("model_package",),
                doc="The artifact to test.",
            ),
            Attribute(
                name="main",
                type=AttributeType.LABEL,
                mandatory=True,
                suffixes=(".py",),
                doc="The program, a file.",
            ),
            Attribute(
                name="args",
                type=AttributeType.STRINGS,
                default=[],
                doc="Its command line, after the path of the artifact.",
            ),
            Attribute(
                name="env",
                type=AttributeType.STRING_DICT,
                default={},
                key_form=Form.VARIABLE,
                doc="Environment variables to add.",
            ),
            Attribute(
                name="timeout",
                type=AttributeType.INTEGER,
                default=60,
                form=Form.POSITIVE,
                doc="Seconds after which the test is stopped and has failed.",
            ),
        ),
    )
}

_MODULE_GLOBS = AttributeType.STRING_OR_STRINGS


def _policy_function(name: str, doc: str) -> Function:
    return _function(
        name,
        doc,
        Attribute(
            name="include",
            type=_MODULE_GLOBS,
            mandatory=True,
            form=Form.MODULE_GLOB,
            doc="Modules that the rule is for.",
        ),
        Attribute(
            name="exclude",
            type=_MODULE_GLOBS,
            default=[],
            form=Form.MODULE_GLOB,
            doc="Modules that it is not for.",
        ),
        Attribute(
            name="allow_empty",
            type=AttributeType.BOOLEAN,
            default=False,
            doc="Whether a rule that matches no module is allowed.",
        ),
        positional=1,
    )


POLICY_FUNCTIONS: Mapping[str, Function] = {
    function.name: function
    for function in (
        _policy_function("intern", "Packs the modules' source."),
        _policy_function("extern", "Leaves the modules to the environment that loads the artifact."),
        _policy_function("mock", "Replaces the modules by stubs that fail when they are used."),
        _policy_function("deny", "Refuses the modules: needing one is an error."),
    )
}

BUILD_FUNCTIONS: Mapping[str, Function] = {
    function.name: function
    for function in (
        _function(
            "glob",
            "The sorted names of files of the package that match.",
            Attribute(
                name="include",
                type=AttributeType.STRINGS,
                mandatory=True,
                form=Form.PATH_GLOB,
                doc="Patterns of files to take.",
            ),
            Attribute(
                name="exclude",
                type=AttributeType.STRINGS,
                default=[],
                form=Form.PATH_GLOB,
                doc="Patterns of files to leave out.",
            ),
            Attribute(
                name="allow_empty",
                type=AttributeType.BOOLEAN,
                default=False,
                doc="Whether a pattern that matches nothing is allowed.",
            ),
            positional=2,
        ),
        _function(
            "package",
            "Sets defaults for the targets of the file. At most once, before any target.",
            Attribute(
                name="default_visibility",
                type=AttributeType.STRINGS,
                form=Form.VISIBILITY,
                doc="The visibility of targets that give none.",
            ),
        ),
        _function(
            "exports_files",
            "Lets other packages name files of this one.",
            Attribute(
                name="srcs", type=AttributeType.STRINGS, mandatory=True, form=Form.FILE, doc="The files."
            ),
            Attribute(
                name="visibility",
                type=AttributeType.STRINGS,
                form=Form.VISIBILITY,
                doc="The packages that may name them. The default is public.",
            ),
            positional=1,
        ),
        _function(
            "package_name", "The path of the package from the workspace root, without slashes at the ends."
        ),
    )
}

DEFS_SYMBOLS = (*RULES, *POLICY_FUNCTIONS)
"""What can be loaded from DEFS_LABEL."""
