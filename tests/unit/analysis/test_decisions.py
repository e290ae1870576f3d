"""The table of decisions: the first row that fits, its reason, and the rules that carry it out."""

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from hermpkg_build.analysis.decisions import (
    NEWEST_TRIED,
    TABLE,
    Candidate,
    allowed_versions,
    decide,
    is_shared_by_nature,
    rules_of,
)
from hermpkg_build.core.module_roles import Policy


def candidate(name="lib", **known):
    return Candidate(name=name, modules=(name,), version="1.0", **known)


@pytest.mark.parametrize(
    ("known", "policy", "row"),
    [
        ({}, Policy.INTERN, "pure"),
        ({"is_own": True}, Policy.INTERN, "own"),
        ({"is_own": True, "needed_by": "torch"}, Policy.INTERN, "own"),
        ({"is_own": True, "is_compiled": True, "is_part": True}, Policy.EXTERN, "own compiled part"),
        ({"is_compiled": True}, Policy.EXTERN, "compiled"),
        ({"needed_by": "tokenizers"}, Policy.EXTERN, "needed outside"),
        ({"plugs_into": "pytest"}, Policy.EXTERN, "plugin"),
        ({"is_shared_by_nature": True}, Policy.EXTERN, "one with the host's"),
        ({"is_found": False}, Policy.EXTERN, "absent"),
        ({"is_readable": False}, Policy.EXTERN, "no source"),
        ({"is_readable": False, "is_part": True}, Policy.MOCK, "unreadable part"),
        ({"failure": "it looks for its file"}, Policy.EXTERN, "fails in a package"),
        ({"failure": "it looks for its file", "asked": Policy.INTERN}, Policy.INTERN, "asked"),
        ({"is_compiled": True, "asked": Policy.INTERN}, Policy.INTERN, "asked"),
        ({"asked": Policy.EXTERN}, Policy.EXTERN, "asked"),
    ],
)
def test_the_first_row_that_fits_decides(known, policy, row):
    decision = decide(candidate(**known))
    assert (decision.policy, decision.row) == (policy, row)


def test_torch_and_the_tool_itself_are_there():
    assert decide(candidate("torch", is_compiled=True)).row == "framework"
    assert decide(candidate("hermpkg-build", is_own=True)).row == "framework"
    assert decide(candidate("hermpkg-runtime", is_own=True)).row == "framework"
    assert decide(candidate("hermpkg_build", is_own=True)).row == "framework"


def test_every_row_can_decide_and_gives_a_reason():
    for row in TABLE:
        assert row.when
        assert row.why
        assert "{" not in row.why.format(failure="f", needed_by="n", plugs_into="p")


def test_reasons_name_who_is_behind_them():
    assert "tokenizers" in decide(candidate(needed_by="tokenizers")).reason
    assert "no file" in decide(candidate(failure="no file")).reason


def test_parts_come_before_the_whole_that_they_are_parts_of():
    own = decide(Candidate(name="app", modules=("app",), is_own=True))
    fast = decide(
        Candidate(name="app.fast", modules=("app.fast",), is_own=True, is_compiled=True, is_part=True)
    )
    numpy = decide(Candidate(name="numpy", modules=("numpy",), is_compiled=True))
    rules = rules_of([numpy, own, fast])
    assert [str(rule) for rule in rules] == [
        'extern("app.fast", allow_empty = True)',
        'intern("app.**", allow_empty = True)',
        'extern("numpy.**", allow_empty = True)',
    ]


@pytest.mark.parametrize(
    ("classifiers", "shared"),
    [
        (["Topic :: System :: Logging"], True),
        (["Topic :: System :: Monitoring", "Topic :: Utilities"], True),
        (["Framework :: OpenTelemetry"], True),
        (["Topic :: Scientific/Engineering"], False),
        ([*(f"Topic :: Some :: {i}" for i in range(9)), "Topic :: System :: Logging"], False),
        ([], False),
    ],
)
def test_what_collects_for_the_whole_process_is_one_with_the_hosts(classifiers, shared):
    assert is_shared_by_nature(classifiers) is shared


def test_a_version_that_is_none_allows_nothing_in_particular():
    assert allowed_versions("lib", "unknown") == ""
    assert allowed_versions("lib", "1!2.0") == ">=1!2.0,<1!3"


@pytest.mark.parametrize(
    "installed", ["2.4.1", "2.13.0+cpu", "2.15.0", "2.15.3", "2.16.0", "3.0.1", "2.17.0.dev1"]
)
def test_a_framework_is_allowed_as_far_as_it_was_tried(installed):
    allowed = SpecifierSet(allowed_versions("torch", installed), prereleases=True)
    tried, found = Version(NEWEST_TRIED["torch"]), Version(installed)
    assert found in allowed
    assert tried in allowed or found > tried
    newest = max(tried, found)
    assert Version(f"{newest.major}.{newest.minor}.99") in allowed
    assert Version(f"{newest.major}.{newest.minor + 1}") not in allowed
