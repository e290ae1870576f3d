"""The table of rules and functions of BUILD files: the one place that says what each may be given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hermpkg_build.core.attributes import Attribute, AttributeType, Form
from hermpkg_build.core.target import ATTRIBUTES, RuleTarget

DEFS_LABEL = "@hermpkg//rules:defs.bzl"
"""The file that BUILD files load rules and policy functions from."""

RULES_VERSION = "4"
"""Changes whenever the same BUILD file could give other targets."""


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
    """A function that declares a target, of the class `target`."""

    target: type[RuleTarget]


_NAME = Attribute(
    name="name",
    type=AttributeType.STRING,
    mandatory=True,
    form=Form.TARGET_NAME,
    doc="The target's name, unique in its package.",
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


def _rule(target: type[RuleTarget]) -> Rule:
    attributes = (_NAME, *ATTRIBUTES[target], _VISIBILITY, _TAGS)
    return Rule(
        name=target.rule,
        doc=target.__doc__ or "",
        attributes={attribute.name: attribute for attribute in attributes},
        target=target,
    )


RULES: Mapping[str, Rule] = {target.rule: _rule(target) for target in ATTRIBUTES}


def _function(name: str, doc: str, *parameters: Attribute, positional: int = 0) -> Function:
    return Function(name=name, doc=doc, attributes={p.name: p for p in parameters}, positional=positional)


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
