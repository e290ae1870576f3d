"""Writes rules.md from the table of rules that the loader checks BUILD files against.

Run as ``python docs/reference/make_rules.py``; a test compares the page with what this would write.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from hermpkg_build.core.attributes import Attribute, AttributeType
from hermpkg_build.loading.rules import (
    BUILD_FUNCTIONS,
    DEFS_LABEL,
    POLICY_FUNCTIONS,
    RULES,
    Function,
)

PAGE = Path(__file__).with_name("rules.md")


def page() -> str:
    """The whole page."""
    return "\n".join(
        [
            "# Rules and functions of BUILD files",
            "",
            "This page is made from the table that [BUILD files](build-files.md) are checked against.",
            "",
            f'Rules and policy functions come by `load("{DEFS_LABEL}", ...)`;',
            "the functions at the end are there without it.",
            "",
            "## Rules",
            "",
            *(
                line
                for rule in RULES.values()
                for line in _rule(rule.name, rule.doc, rule.attributes.values())
            ),
            "## Policy functions",
            "",
            *(line for function in POLICY_FUNCTIONS.values() for line in _function(function)),
            "## Functions",
            "",
            *(line for function in BUILD_FUNCTIONS.values() for line in _function(function)),
        ]
    )


def _rule(name: str, doc: str, attributes: Iterable[Attribute]) -> Iterator[str]:
    yield from (f"### {name}", "", doc, "", "| attribute | type | default | |", "|---|---|---|---|")
    for attribute in attributes:
        yield _row(attribute)
    yield ""


def _function(function: Function) -> Iterator[str]:
    yield from (f"### {function.name}", "", function.doc, "")
    if function.attributes:
        yield from ("| parameter | type | default | |", "|---|---|---|---|")
        for attribute in function.attributes.values():
            yield _row(attribute)
        yield ""


def _row(attribute: Attribute) -> str:
    default = "*mandatory*" if attribute.mandatory else f"`{_starlark(attribute.default)}`"
    return f"| `{attribute.name}` | {_type(attribute)} | {default} | {attribute.doc} |"


def _type(attribute: Attribute) -> str:
    text = attribute.type.value
    if attribute.rules:
        text += f" of {', '.join(f'`{rule}`' for rule in attribute.rules)}"
    elif attribute.type in (AttributeType.LABEL, AttributeType.LABELS) and attribute.suffixes:
        endings = [f"`{suffix}`" for suffix in attribute.suffixes if suffix]
        text += f" of {', '.join(endings)} files" if endings else " of files"
    return text


def _starlark(value: object) -> str:
    return repr(value) if value is None or isinstance(value, bool) else json.dumps(value)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
