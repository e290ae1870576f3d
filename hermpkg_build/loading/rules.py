"""The table of rules and functions of BUILD files: what each may be given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hermpkg_build.core.attributes import Attribute, AttributeType, Form, attribute, attributes_of
from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.digest import fingerprint
from hermpkg_build.core.json_codec import to_json
from hermpkg_build.core.target import ATTRIBUTES, RuleTarget
from hermpkg_build.dataclass import dataclass
from hermpkg_build.loading.glob import GlobCall

DEFS_LABEL = "@hermpkg//rules:defs.bzl"
"""The file that BUILD files load rules and policy functions from."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Common:
    """What every rule takes: `name` before its own attributes, the others behind them."""

    name: str = attribute("The target's name, unique in its package.", form=Form.TARGET_NAME)
    visibility: tuple[str, ...] | None = attribute(
        "The packages that may depend on the target. The default is that of `package()`, else private.",
        default=None,
        form=Form.VISIBILITY,
    )
    tags: tuple[str, ...] = attribute(
        "Free words. `manual` keeps the target out of `:all` and `...`.", default=[], form=Form.TAG
    )


def _rule(target: type[RuleTarget]) -> Rule:
    name, *others = attributes_of(_Common)
    attributes = (name, *ATTRIBUTES[target], *others)
    return Rule(
        name=target.rule,
        doc=target.__doc__ or "",
        attributes={attribute.name: attribute for attribute in attributes},
        target=target,
    )


RULES: Mapping[str, Rule] = {target.rule: _rule(target) for target in ATTRIBUTES}


@dataclass(frozen=True, slots=True, kw_only=True)
class _ModuleGlobs:
    """What policy functions take."""

    include: tuple[str, ...] = attribute(
        "Modules that the rule is for.", type=AttributeType.STRING_OR_STRINGS, form=Form.MODULE_GLOB
    )
    exclude: tuple[str, ...] = attribute(
        "Modules that it is not for.",
        type=AttributeType.STRING_OR_STRINGS,
        default=[],
        form=Form.MODULE_GLOB,
    )
    allow_empty: bool = attribute("Whether a rule that matches no module is allowed.", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ExternGlobs(_ModuleGlobs):
    """What `extern` takes."""

    optional: bool = attribute(
        "Whether code that asks for the modules can do without: nothing of them is checked or recorded.",
        default=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _PackageDefaults:
    """What `package` takes."""

    default_visibility: tuple[str, ...] | None = attribute(
        "The visibility of targets that give none.", default=None, form=Form.VISIBILITY
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exports:
    """What `exports_files` takes."""

    srcs: tuple[str, ...] = attribute("The files.", form=Form.FILE)
    visibility: tuple[str, ...] | None = attribute(
        "The packages that may name them. The default is public.", default=None, form=Form.VISIBILITY
    )


def _functions(*functions: tuple[str, str, Any, int]) -> Mapping[str, Function]:
    """Return functions by name, each given as (name, doc, the class of what it takes, positional)."""
    return {
        name: Function(
            name=name,
            doc=doc,
            attributes={known.name: known for known in attributes_of(takes)} if takes else {},
            positional=positional,
        )
        for name, doc, takes, positional in functions
    }


POLICY_FUNCTIONS = _functions(
    ("intern", "Packs the modules' source.", _ModuleGlobs, 1),
    ("extern", "Leaves the modules to the environment that loads the artifact.", _ExternGlobs, 1),
    ("mock", "Replaces the modules by stubs that fail when they are used.", _ModuleGlobs, 1),
    ("deny", "Refuses the modules: needing one is an error.", _ModuleGlobs, 1),
)

BUILD_FUNCTIONS = _functions(
    ("glob", "The sorted names of files of the package that match.", GlobCall, 2),
    (
        "package",
        "Sets defaults for the targets of the file. At most once, before any target.",
        _PackageDefaults,
        0,
    ),
    ("exports_files", "Lets other packages name files of this one.", _Exports, 1),
    (
        "package_name",
        "The path of the package from the workspace root, without slashes at the ends.",
        None,
        0,
    ),
)

FUNCTIONS: Mapping[str, Function] = {**RULES, **POLICY_FUNCTIONS, **BUILD_FUNCTIONS}
"""All that BUILD files call, by name."""

_LOADING_VERSION = 7
"""Changes whenever the code that loads BUILD files makes other targets of the same file and table."""


def version_of(functions: Iterable[Function]) -> str:
    """Return a text that is another whenever a BUILD file could give other targets by these functions."""
    table: Json = [
        [
            function.name,
            function.positional,
            *({**to_json(a), "doc": ""} for a in function.attributes.values()),
        ]
        for function in functions
    ]
    return f"{_LOADING_VERSION} {fingerprint(table).hash}"


RULES_VERSION = version_of(FUNCTIONS.values())

DEFS_SYMBOLS = (*RULES, *POLICY_FUNCTIONS)
"""What can be loaded from DEFS_LABEL."""
