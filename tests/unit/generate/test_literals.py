"""Values as expressions: what is written makes the value again."""

import enum
import logging
import math
import pathlib
import re
import sys
import types

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.generate.literals import Unwritable, imported_as, written

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.text() | st.binary(),
    lambda parts: (
        st.lists(parts)
        | st.lists(parts).map(tuple)
        | st.dictionaries(st.text(), parts)
        | st.frozensets(st.integers())
        | st.sets(st.text())
    ),
    max_leaves=12,
)


class Colour(enum.Enum):
    RED = 1


def made_again(value):
    expression = written(value, lambda _: None)
    names = {}
    exec("\n".join(expression.imports), names)
    return eval(expression.text, names)


@given(plain)
def test_plain_values_are_made_again(value):
    assert told(made_again(value)) == told(value)


def told(value):
    """The value as a text in which sets are in order, and a number that is none equals itself."""
    if isinstance(value, (list, tuple)):
        return f"{type(value).__name__}({', '.join(map(told, value))})"
    if isinstance(value, (set, frozenset)):
        return f"{type(value).__name__}({', '.join(sorted(map(repr, value)))})"
    if isinstance(value, dict):
        return f"dict({', '.join(f'{key!r}: {told(each)}' for key, each in value.items())})"
    return repr(value)


@pytest.mark.parametrize(
    "value",
    [
        torch.float16,
        torch.device("cpu"),
        torch.Size([1, 2]),
        re.compile("a+", re.IGNORECASE),
        pathlib.PurePosixPath("a/b"),
        range(1, 9, 2),
        slice(None, 3),
        logging.getLogger("some.name"),
        {"act": torch.nn.ReLU, "f": math.sqrt, "len": len},
        math,
        set(),
        Colour.RED,
    ],
    ids=str,
)
def test_well_known_values_are_made_again(value):
    assert made_again(value) == value


def test_tensors_are_made_again_bit_by_bit():
    value = torch.tensor([[0.1, float("inf")], [-0.0, float("nan")]])
    assert made_again(value).view(torch.int32).tolist() == value.view(torch.int32).tolist()


@pytest.mark.parametrize(
    "value", [object(), sys.stdout, torch.ones(99, 99), [torch.nn.Linear(1, 1)]], ids=type
)
def test_what_cannot_be_written_is_refused(value):
    with pytest.raises(Unwritable):
        written(value, lambda _: None)


def test_a_list_that_holds_itself_is_refused():
    value = []
    value.append(value)
    with pytest.raises(Unwritable, match="itself"):
        written(value, lambda _: None)


@pytest.mark.parametrize(
    ("name", "value", "statement"),
    [
        ("math", math, "import math"),
        ("nn", torch.nn, "import torch.nn as nn"),
        ("Pattern", re.Pattern, "from re import Pattern"),
        ("P", re.Pattern, "from re import Pattern as P"),
        ("x", 3, None),
        ("made", types.ModuleType("made"), "import made"),
    ],
)
def test_what_can_be_imported(name, value, statement):
    assert imported_as(name, value, "__main__") == statement
