"""Types of numpy that a pickle forges are found, and those that numpy writes are not taken for them."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from hermpkg_build.scanning.artifact import scan_data
from hermpkg_build.scanning.findings import Level

TYPES = [
    *("f2", "<f4", ">f8", "i1", "u8", "b1", "c16", "S5", "U7", "V12", "O", "M8[ns]", "m8[25s]"),
    [("a", "f4"), ("b", "i8")],
    [("a", "f4", (2, 3)), ("b", [("c", "u1"), ("d", "S3")])],
    [("a", "O"), ("b", "f8")],
    [("a", "O", 3)],
    [(("title", "a"), "f4")],
    {"names": ["a", "b"], "formats": ["f8", "u1"], "offsets": [0, 3]},
    {"names": ["a"], "formats": ["f8"], "offsets": [8], "itemsize": 32},
]


@pytest.mark.parametrize("protocol", range(6))
def test_what_numpy_writes_is_clean(protocol: int) -> None:
    found = {}
    for described in TYPES:
        for kind in (np.dtype(described), np.dtype(described, align=isinstance(described, list))):
            for value in (kind, np.zeros(3, kind), np.zeros((), kind)[()]):
                found[repr(value)] = scan_data(pickle.dumps(value, protocol), "a.pkl")
    found["metadata"] = scan_data(pickle.dumps(np.dtype("f8", metadata={"a": 1}), protocol), "a.pkl")
    assert [name for name, each in found.items() if not each.is_clean] == []


class Type:
    """A type of numpy with any state."""

    def __init__(self, code: str, *state: Any) -> None:
        self.code, self.state = code, state

    def __reduce__(self) -> Any:
        return np.dtype, (self.code, False, True), self.state


OBJECT, FLOAT = np.dtype("O"), np.dtype("f8")


@pytest.mark.parametrize(
    "forged",
    [
        Type("O8", 3, "|", None, None, None, -1, -1, 0),
        Type("f8", 3, "<", None, None, None, -1, -1, 63),
        Type("f8", 3, "<", None, None, None, 64, -1, 0),
        Type("V8", 3, "|", None, ("a",), {"a": (OBJECT, 0)}, 8, 1, 0),
        Type("V8", 3, "|", None, ("a",), {"a": (OBJECT, 0)}, 8, 1, 16),
        Type("V8", 3, "|", None, ("a",), {"a": (FLOAT, 8000)}, 8, 1, 16),
        Type("V8", 3, "|", None, ("a",), {"a": (FLOAT, -8)}, 8, 1, 16),
        Type("V8", 3, "|", (FLOAT, (1000,)), None, None, 8, 1, 0),
        Type("V8", 3, "|", (OBJECT, (1,)), None, None, 8, 1, 0),
        Type("V8", 3, "|", None, ("a", "b"), {"a": (OBJECT, 0), "b": (FLOAT, 0)}, 8, 1, 27),
        Type("V24", 3, "|", None, ("a", "b"), {"a": (np.dtype("V24"), 0), "b": (OBJECT, 8)}, 24, 1, 27),
        Type("f8", 3, "|", None, ("a",), {"a": (FLOAT, 0)}, -1, -1, 0),
        Type(
            "V8", 3, "|", None, ("a",), {"a": (Type("O8", 3, "|", None, None, None, -1, -1, 0), 0)}, 8, 1, 0
        ),
        Type("V8", 3, "|"),
        Type("V8", []),
    ],
)
def test_a_state_that_lies_is_dangerous(forged: Type) -> None:
    found = scan_data(pickle.dumps([forged], 2), "a.pkl")
    assert found.worst is Level.DANGEROUS
    assert {each.name for each in found.findings} == {"numpy.dtype.__setstate__"}
