"""The table of rules agrees with itself, and its version follows it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hermpkg_build.core.attributes import AttributeType, Form, value_of_default
from hermpkg_build.core.target import ATTRIBUTES
from hermpkg_build.loading.attribute_values import convert
from hermpkg_build.loading.interpreter_main import ASKING, MAKING
from hermpkg_build.loading.rules import (
    BUILD_FUNCTIONS,
    POLICY_FUNCTIONS,
    RULES,
    RULES_VERSION,
    Function,
    version_of,
)

if TYPE_CHECKING:
    from conftest import WorkspaceFiles

    from hermpkg_build.core.target import RuleTarget

FUNCTIONS = [*RULES.values(), *POLICY_FUNCTIONS.values(), *BUILD_FUNCTIONS.values()]
LABEL_TYPES = (AttributeType.LABEL, AttributeType.LABELS, AttributeType.LABEL_DICT)


def test_the_version_follows_the_table() -> None:
    """Evaluated files are cached under the version, so a change of the table must change it too."""
    model = RULES["model"]

    def version(**changes: object) -> str:
        seed = replace(model.attributes["seed"], **changes)
        return version_of([replace(model, attributes={**model.attributes, "seed": seed})])

    assert version() == version_of([model])
    assert version(doc="Other words.") == version()
    assert len({version(), version(default=1), version(form=Form.POSITIVE), version_of([])}) == 4
    assert version_of([replace(model, positional=1)]) != version()
    assert version_of(FUNCTIONS) == RULES_VERSION


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_every_entry_makes_sense(function: Function) -> None:
    assert function.doc.endswith(".")
    for name, attribute in function.attributes.items():
        assert name == attribute.name
        assert attribute.doc.endswith(".")
        assert (attribute.type in LABEL_TYPES) == bool(attribute.rules or attribute.suffixes), name
        assert set(attribute.rules) <= RULES.keys()
        assert not (attribute.mandatory and attribute.default is not None)
        if attribute.default is not None:
            assert convert(attribute, attribute.default, "p") == (value_of_default(attribute.default), [])


def test_every_rule_has_the_common_attributes() -> None:
    for rule in RULES.values():
        names = list(rule.attributes)
        assert names[0] == "name"
        assert names[-3:] == ["deps", "visibility", "tags"]


def attributes(target: RuleTarget) -> dict[str, object]:
    return {attribute.name: getattr(target, attribute.name) for attribute in ATTRIBUTES[type(target)]}


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_every_attribute_takes_its_default(files: WorkspaceFiles, rule: Function) -> None:
    given = {"srcs": "[]", "factory": '"a:b"', "package": '":x"', "main": '"m.py"', "name": '"t"'}
    arguments = [
        f"{a.name} = {given[a.name] if a.mandatory else repr(a.default)}" for a in rule.attributes.values()
    ]
    files.build("p", f"{rule.name}({', '.join(arguments)})\n")
    mandatory = [f"{a.name} = {given[a.name]}" for a in rule.attributes.values() if a.mandatory]
    files.build("q", f"{rule.name}({', '.join(mandatory)})\n")
    spelt, silent = files.target("//p:t"), files.target("//q:t")
    assert str(attributes(spelt)).replace("'p'", "'q'") == str(attributes(silent))
    assert (spelt.visibility, spelt.tags) == (silent.visibility, silent.tags)


def test_the_process_of_the_interpreter_knows_which_calls_give_something(files: WorkspaceFiles) -> None:
    """It waits for no others."""
    assert set(POLICY_FUNCTIONS) == MAKING
    assert set(BUILD_FUNCTIONS) >= ASKING
    given = {
        "glob": '["a.txt"]',
        "package_name": '"p"',
        "package": "None",
        "exports_files": "None",
        "model": "None",
    }
    assert {*BUILD_FUNCTIONS} <= {*given}
    arguments = {
        "glob": '["a*"]',
        "exports_files": '["a.txt"]',
        "model": 'name = "m", factory = "a:b"',
    }
    files.write("p/a.txt")
    calls = [f"{name}({arguments.get(name, '')})" for name in ("package", *given) if name != "package"]
    texts = [f"print({call} == {given[call.partition('(')[0]]})" for call in ["package()", *calls]]
    files.build("p", "\n".join(texts) + "\n")
    files.file("p")
    assert [text for _, text in files.messages] == ["True"] * len(texts)
