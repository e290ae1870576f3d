"""Conditions of factories: read as strictly as they are written."""

import pytest

from hermpkg_build.core.conditions import FactoryConditions, read_conditions
from hermpkg_build.core.json_codec import to_json

SOME = FactoryConditions(
    hash_seed=7, time_zone="Asia/Tokyo", umask=0o077, environment={"USER": "x"}, listing="reversed", home="/h"
)


def test_json_and_back():
    assert read_conditions(to_json(SOME)) == SOME
    assert read_conditions({}) == FactoryConditions()
    assert read_conditions({"hash_seed": 7}).hash_seed == 7


@pytest.mark.parametrize(
    "value",
    [
        [],
        None,
        {"hash-seed": 1},
        {"hash_seed": "1"},
        {"hash_seed": -1},
        {"hash_seed": True},
        {"listing": "shuffled"},
        {"environment": {"USER": 1}},
        {"time_zone": None},
    ],
)
def test_what_makes_no_sense(value):
    with pytest.raises(ValueError, match=r"condition|cannot be|expected .*, found"):
        read_conditions(value)
