"""What statements of licences mean: expressions, usual names, classifiers, and nothing at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.core.manifest import ManifestLicense
from hermpkg_build.provenance.license_words import Demand, known_classifier, known_name
from hermpkg_build.provenance.licenses import Basis, license_of, read_expression, refusable

OSI = "License :: OSI Approved :: "
LICENSES = {
    "MIT": Demand.PERMISSIVE,
    "Apache-2.0": Demand.PERMISSIVE,
    "MPL-2.0": Demand.WEAK_COPYLEFT,
    "LGPL-3.0-or-later": Demand.WEAK_COPYLEFT,
    "GPL-2.0-only WITH Classpath-exception-2.0": Demand.WEAK_COPYLEFT,
    "GPL-2.0-only": Demand.STRONG_COPYLEFT,
    "AGPL-3.0-or-later": Demand.STRONG_COPYLEFT,
    "BUSL-1.1": Demand.PROPRIETARY,
    "CC-BY-NC-4.0": Demand.PROPRIETARY,
    "LicenseRef-Nobody-Proprietary": Demand.PROPRIETARY,
    "LicenseRef-ours": Demand.UNKNOWN,
}


def stated(**words) -> ManifestLicense:
    return ManifestLicense(**words)


@pytest.mark.parametrize("name", LICENSES)
def test_what_licences_demand(name):
    assert read_expression(name).demand is LICENSES[name]


@pytest.mark.parametrize(
    ("statement", "expression", "demand", "basis"),
    [
        (stated(expression="mit or apache-2.0"), "MIT OR Apache-2.0", "permissive", Basis.EXPRESSION),
        (stated(expression="GPL-3.0"), "GPL-3.0-only", "strong-copyleft", Basis.EXPRESSION),
        (stated(text="Apache License, Version 2.0"), "Apache-2.0", "permissive", Basis.TEXT),
        (stated(text="MIT"), "MIT", "permissive", Basis.TEXT),
        (stated(text="The MIT License (MIT)"), "MIT", "permissive", Basis.TEXT),
        (stated(text="GPLv3+"), "GPL-3.0-or-later", "strong-copyleft", Basis.TEXT),
        (stated(text="BSD"), "", "permissive", Basis.TEXT),
        (stated(text=OSI + "MIT License"), "MIT", "permissive", Basis.TEXT),
        (stated(expression="BSD License"), "", "permissive", Basis.TEXT),
        (stated(classifiers=(OSI + "MIT License",)), "MIT", "permissive", Basis.CLASSIFIERS),
        (stated(classifiers=(OSI + "Apache Software License",)), "", "permissive", Basis.CLASSIFIERS),
        (
            stated(text="BSD", classifiers=(OSI + "BSD License", "License :: OSI Approved")),
            "",
            "permissive",
            Basis.TEXT,
        ),
        (
            stated(text="Apache", classifiers=(OSI + "Apache Software License",)),
            "",
            "permissive",
            Basis.TEXT,
        ),
        (
            stated(text="MIT", classifiers=(OSI + "GNU General Public License v3 (GPLv3)",)),
            "",
            "strong-copyleft",
            Basis.MIXED,
        ),
        (
            stated(classifiers=(OSI + "MIT License", OSI + "Mozilla Public License 2.0 (MPL 2.0)")),
            "",
            "weak-copyleft",
            Basis.CLASSIFIERS,
        ),
        (stated(classifiers=("License :: Other/Proprietary License",)), "", "proprietary", Basis.CLASSIFIERS),
        (stated(classifiers=("License :: OSI Approved",)), "", "unknown", Basis.UNREADABLE),
        (stated(text="see the website"), "", "unknown", Basis.UNREADABLE),
        (stated(text="MIT, mostly"), "", "unknown", Basis.UNREADABLE),
        (stated(files=("LICENSE",)), "", "unknown", Basis.FILES),
        (stated(), "", "unknown", Basis.NOTHING),
        (None, "", "unknown", Basis.UNRECORDED),
    ],
)
def test_what_is_known_and_by_what(statement, expression, demand, basis):
    found = license_of(statement)
    assert (found.expression, str(found.demand), found.basis) == (expression, demand, basis)
    assert found.text


@pytest.mark.parametrize(
    "text",
    ["", "((", "MIT AND", "OR", "BSD License", "MIT WITH nothing", "MIT/Apache", "NOT MIT", "x" * 5000],
)
def test_what_is_no_expression(text):
    assert read_expression(text) is None


@given(st.text() | st.text(alphabet="()MITANDORWITHGPL-20. +,/", max_size=60))
def test_any_text_has_an_answer(text):
    found = license_of(ManifestLicense(expression=text, text=text, classifiers=(text,)))
    assert found.demand in Demand
    assert refusable(text) is None or text


TERMS = st.sampled_from(sorted(LICENSES))
EXPRESSIONS = st.recursive(
    TERMS, lambda inner: st.tuples(inner, st.sampled_from(["AND", "OR"]), inner), max_leaves=6
)


def written(tree) -> str:
    return tree if isinstance(tree, str) else f"({written(tree[0])}) {tree[1]} ({written(tree[2])})"


def demanded(tree) -> int:
    if isinstance(tree, str):
        return LICENSES[tree].strictness
    return (max if tree[1] == "AND" else min)(demanded(tree[0]), demanded(tree[2]))


def refused(tree, words) -> bool:
    """By the expression itself: a choice is refused where both ways are, a conjunction where one part is."""
    if isinstance(tree, str):
        return bool(words & {tree, tree.partition(" WITH ")[0], LICENSES[tree].value})
    ways = (refused(tree[0], words), refused(tree[2], words))
    return any(ways) if tree[1] == "AND" else all(ways)


@given(EXPRESSIONS)
def test_a_choice_demands_the_least_and_a_conjunction_the_most(tree):
    found = read_expression(written(tree))
    assert found.demand.strictness == demanded(tree)
    again = read_expression(found.expression)
    assert (again.expression, again.choices) == (found.expression, found.choices)


@given(EXPRESSIONS, st.sets(TERMS | st.sampled_from([*map(str, Demand)]), max_size=3))
def test_refused_is_what_leaves_no_choice(tree, words):
    assert read_expression(written(tree)).is_among(words) is refused(tree, words)


def test_too_many_choices_count_as_all_at_once():
    pairs = [f"(LicenseRef-a{n} OR LicenseRef-b{n})" for n in range(40)]
    found = read_expression(" AND ".join(pairs))
    assert len(found.choices) == 1
    assert found.is_among({"LicenseRef-b7"})


def test_words_of_fail_on():
    assert refusable("weak-copyleft") == "weak-copyleft"
    assert refusable("gpl-3.0") == "GPL-3.0-only"
    assert [refusable(word) for word in ("copyleft", "MIT OR X11", "MIT AND BSD-3-Clause", "")] == [None] * 4


def test_the_tables_name_licences_that_there_are():
    from hermpkg_build.provenance import license_words

    known = [*license_words._CLASSIFIERS.values(), *license_words._NAMES.values()]
    for spdx, demand in known:
        if spdx:
            assert (spdx, read_expression(spdx).demand) == (spdx, demand)
    assert known_name("other") is None
    assert known_classifier("License :: Of Nobody") is None
