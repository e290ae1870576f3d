"""The labels in a target's attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hermpkg_build.core.label import Label
from hermpkg_build.core.target import AttributeValue
from hermpkg_build.loading.rules import Attribute, AttributeType, Rule


def labels_of(rule: Rule, attributes: Mapping[str, AttributeValue]) -> tuple[Label, ...]:
    """All labels in the attributes, in the order of the table, each once."""
    return tuple(dict.fromkeys(label for _, label in labelled(rule, attributes)))


def labelled(rule: Rule, attributes: Mapping[str, AttributeValue]) -> Iterator[tuple[Attribute, Label]]:
    """The labels in the attributes, each with its attribute."""
    for attribute in rule.attributes.values():
        value = attributes.get(attribute.name)
        if attribute.type is AttributeType.LABEL and isinstance(value, Label):
            yield attribute, value
        elif attribute.type is AttributeType.LABELS and isinstance(value, tuple):
            yield from ((attribute, item) for item in value if isinstance(item, Label))
        elif attribute.type is AttributeType.LABEL_DICT and isinstance(value, Mapping):
            yield from ((attribute, item) for item in value.values() if isinstance(item, Label))
