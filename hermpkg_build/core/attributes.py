"""Attributes of BUILD files: what each may hold, and how errors and documentation say so."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.dataclass import MISSING, dataclass, field, fields


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
    TEXT = "a text of at least one character"
    POSITIVE = "a positive number"
    FILES = 'one of "auto", "real" and "mangled"'
    CPU = 'one of "baseline" and "native"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute of a rule, or one parameter of a function.

    `default` is written as in a BUILD file. Labels may name targets of `rules`, and files whose
    names end in one of `suffixes` ("" for any). `form` is that of the strings, `key_form` that of
    a dictionary's keys.
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


def attribute(
    doc: str,
    *,
    default: Any = MISSING,
    type: AttributeType | None = None,  # noqa: A002 - the field of Attribute that it is
    rules: Sequence[str] = (),
    suffixes: Sequence[str] = (),
    form: Form | None = None,
    key_form: Form | None = None,
) -> Any:
    """Declare a field of a dataclass to be an attribute, which is mandatory without a `default`.

    Its type is that of the annotation, if it is not given. The rest is as in `Attribute`.

    >>> @dataclass(slots=True)
    ... class Greeting:
    ...     text: str = attribute("What to say.", default="hello")
    >>> Greeting(), attributes_of(Greeting)[0].type
    (Greeting(text='hello'), <AttributeType.STRING: 'a string'>)
    """
    table = {
        "doc": doc,
        "rules": tuple(rules),
        "suffixes": tuple(suffixes),
        "form": form,
        "key_form": key_form,
        **({} if type is None else {"type": type}),
    }
    if default is MISSING:
        return field(metadata={**table, "mandatory": True})
    return field(default_factory=lambda: value_of_default(default), metadata={**table, "default": default})


def attributes_of(kind: Any) -> tuple[Attribute, ...]:
    """List the fields of a dataclass that `attribute` declared, in their order."""
    return tuple(
        Attribute(**{"name": item.name, "type": _TYPES[str(item.type)], **item.metadata})
        for item in fields(kind)
        if item.metadata
    )


_TYPES: Mapping[str, AttributeType] = {
    "bool": AttributeType.BOOLEAN,
    "int": AttributeType.INTEGER,
    "str": AttributeType.STRING,
    "str | None": AttributeType.STRING,
    "tuple[str, ...]": AttributeType.STRINGS,
    "tuple[str, ...] | None": AttributeType.STRINGS,
    "Label": AttributeType.LABEL,
    "Label | None": AttributeType.LABEL,
    "Sequence[Label]": AttributeType.LABELS,
    "Mapping[str, Label]": AttributeType.LABEL_DICT,
    "Mapping[str, str]": AttributeType.STRING_DICT,
    "Mapping[str, Json]": AttributeType.JSON_DICT,
    "tuple[PolicyRule, ...]": AttributeType.POLICY,
}
"""The types of attributes by the annotations of their fields."""


def value_of_default(default: Json) -> Any:
    """Return the value of a target's field for a `default` written as in a BUILD file.

    >>> value_of_default([]), value_of_default("auto")
    ((), 'auto')
    """
    return () if default == [] else {} if default == {} else default
