"""The conditions that cause something are found, whichever they are and however few builds that takes."""

from __future__ import annotations

import itertools
import math

import pytest

from hermpkg_build.inspection.verify.causes import find_causes

NAMES = tuple("abcdefghijklm")


def search(singles=(), together=()):
    """The causes found, and how many builds that took."""
    builds = []

    def shows(conditions):
        builds.append(tuple(conditions))
        return bool(set(singles) & set(conditions)) or (bool(together) and set(together) <= set(conditions))

    return find_causes(NAMES, shows), len(builds)


@pytest.mark.parametrize("cause", NAMES)
def test_a_single_cause(cause):
    found, builds = search([cause])
    assert found == [(cause,)]
    assert builds <= 2 * math.ceil(math.log2(len(NAMES)))


@pytest.mark.parametrize("causes", list(itertools.combinations("adgm", 2)))
def test_two_causes(causes):
    assert search(causes)[0] == [(cause,) for cause in causes]


def test_all_are_causes():
    assert search(NAMES)[0] == [(name,) for name in NAMES]


@pytest.mark.parametrize("together", [("a", "m"), ("a", "b"), ("b", "g", "k")])
def test_causes_that_need_each_other(together):
    assert search(together=together)[0] == [together]


def test_one_condition_is_the_cause_without_a_build():
    def never(_):
        raise AssertionError

    assert find_causes(["a"], never) == [("a",)]
