"""Writes and reads BuildFiles as JSON: `decode_build_file` is the exact inverse of `encode_build_file`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hermpkg_build.core.attributes import AttributeType, value_of_default
from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.json_codec import from_json, to_json
from hermpkg_build.core.label import Label, LabelsInPackage
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.core.target import ATTRIBUTES, BuildFile, RuleTarget
from hermpkg_build.errors import Location
from hermpkg_build.loading.rules import RULES


def encode_build_file(file: BuildFile) -> Json:
    """Return the file as a JSON value."""
    return {
        "package": file.package,
        "path": file.path,
        "targets": [_encode_target(target) for target in file.targets.values()],
        "exports": to_json(file.exports),
        "default_visibility": list(file.default_visibility),
        "messages": to_json(file.messages),
        "loads": list(file.loads),
    }


def decode_build_file(value: Any) -> BuildFile:
    """Return the file of a JSON value; of others raises KeyError, TypeError, ValueError or AttributeError."""
    package = value["package"]
    targets = [_decode_target(item, package) for item in value["targets"]]
    return BuildFile(
        package=package,
        path=value["path"],
        targets={target.label.name: target for target in targets},
        exports={name: tuple(words) for name, words in value["exports"].items()},
        default_visibility=tuple(value["default_visibility"]),
        messages=tuple((Location(*place), text) for place, text in value["messages"]),
        loads=tuple(value["loads"]),
    )


def _encode_target(target: RuleTarget) -> Json:
    """Encode a target without the attributes that have their default, as most do."""
    package = target.label.package
    values = [(known, getattr(target, known.name)) for known in ATTRIBUTES[type(target)]]
    return {
        "name": target.label.name,
        "rule": target.rule,
        "attributes": [
            [known.name, _encode_value(value, package)]
            for known, value in values
            if known.mandatory or value != value_of_default(known.default)
        ],
        "visibility": list(target.visibility),
        "tags": list(target.tags),
        "location": to_json(target.location),
    }


def _decode_target(value: Any, package: str) -> RuleTarget:
    rule = RULES[value["rule"]]
    return rule.target(
        label=Label(package, value["name"]),
        visibility=tuple(value["visibility"]),
        tags=tuple(value["tags"]),
        location=_decode_location(value["location"]),
        **{
            name: _decode_value(item, rule.attributes[name].type, package)
            for name, item in value["attributes"]
        },
    )


def _encode_value(value: Any, package: str) -> Any:
    if isinstance(value, Label):
        return f":{value.name}" if value.package == package else str(value)
    if isinstance(value, PolicyRule):
        return to_json(value)
    if isinstance(value, LabelsInPackage) and value.package == package:
        return [f":{name}" for name in value.names]
    if isinstance(value, tuple | LabelsInPackage):
        return [_encode_value(item, package) for item in value]
    if isinstance(value, Mapping):
        # Pairs, for canonical JSON sorts the keys of its objects, and order means something here.
        return {"": [[key, _encode_value(item, package)] for key, item in value.items()]}
    return value


def _decode_value(value: Any, kind: AttributeType, package: str) -> Any:
    if value is None:
        return None
    if isinstance(value, dict):
        item_kind = AttributeType.LABEL if kind is AttributeType.LABEL_DICT else kind
        return {key: _decode_value(item, item_kind, package) for key, item in value[""]}
    if kind is AttributeType.LABEL:
        return _decode_label(value, package)
    if kind is AttributeType.LABELS:
        if value and all(item.startswith(":") for item in value):
            return LabelsInPackage(package, tuple([item[1:] for item in value]))
        return tuple(_decode_label(item, package) for item in value)
    if kind is AttributeType.POLICY:
        return tuple(from_json(PolicyRule, item) for item in value)
    if isinstance(value, list):
        return tuple(_decode_value(item, kind, package) for item in value)
    return value


def _decode_label(text: str, package: str) -> Label:
    return Label(package, text[1:]) if text.startswith(":") else Label.parse(text)


def _decode_location(value: Any) -> Location | None:
    return None if value is None else Location(*value)
