"""The attributes of targets as the texts that `attr` compares, which are Bazel's, and as declarations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hermpkg_build.core.attributes import AttributeType, value_of_default
from hermpkg_build.core.canonical_json import dumps
from hermpkg_build.core.label import Label
from hermpkg_build.core.made_sequence import MadeSequence
from hermpkg_build.core.starlark_text import CallText
from hermpkg_build.core.target import ATTRIBUTES, RuleTarget


def attribute_texts(target: RuleTarget) -> dict[str, str]:
    """Return the attributes of a target as texts; labels are written in full.

    Lists read ``[a, b]``, dictionaries ``{k=v}``, JSON values as JSON, policies as in a BUILD file.
    """
    texts = {"name": target.label.name}
    for known in ATTRIBUTES[type(target)]:
        value = getattr(target, known.name)
        if value is not None or known.type is not AttributeType.LABEL:
            texts[known.name] = _text(known.type, value)
    return {**texts, "visibility": _listed(target.visibility), "tags": _listed(sorted(target.tags))}


def _text(kind: AttributeType, value: Any) -> str:
    if value is None:
        return ""
    if kind is AttributeType.LABEL_DICT:
        return _listed(list(dict.fromkeys(value.values())))
    if kind is AttributeType.JSON_DICT:
        return dumps(value).decode()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}={each}" for key, each in value.items()) + "}"
    if isinstance(value, tuple | MadeSequence):
        return _listed(value)
    return str(int(value)) if isinstance(value, bool) else str(value)


def _listed(values: Sequence[object]) -> str:
    return f"[{', '.join(map(str, values))}]"


def declaration(target: RuleTarget) -> str:
    """Return the call that declares a target: what has its default is left out, labels are in full."""
    named: dict[str, object] = {"name": target.label.name}
    for known in ATTRIBUTES[type(target)]:
        value = getattr(target, known.name)
        if known.mandatory or value != value_of_default(known.default):
            named[known.name] = _written(value)
    if target.tags:
        named["tags"] = target.tags
    named["visibility"] = target.visibility
    return str(CallText(function=target.rule, named=named))


def _written(value: Any) -> Any:
    if isinstance(value, Label):
        return str(value)
    if isinstance(value, tuple | MadeSequence):
        return [_written(each) for each in value]
    if isinstance(value, Mapping):
        return {key: _written(each) for key, each in value.items()}
    return value
