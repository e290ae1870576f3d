"""Factories and tests that hide or fake standard modules get the results that they would get without that."""

from __future__ import annotations

import csv  # noqa: F401 -- a module that a test replaces
import sys
import types
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from hermpkg_build.factories.standard_modules import (
    in_their_places,
    put_back,
    real_modules,
    standard_modules,
)

if TYPE_CHECKING:
    from tests.unit.factories.conftest import ModelWorkspace

MANY = "('json', 'pickle', 'collections', 'io', 're', 'traceback', 'sqlite3', 'functools', 'decimal')"
WAYS = {
    "none": "import sys\nfor name in MANY: sys.modules[name] = None",
    "fakes": "import sys, types\nfor name in MANY: sys.modules[name] = types.ModuleType(name)",
    "mocks": "import sys, unittest.mock as mock\nfor name in MANY: sys.modules[name] = mock.MagicMock()",
    "gone": "import sys\nfor name in MANY: sys.modules.pop(name, None)",
    "patched": "import sys, unittest.mock as mock\n"
    "mock.patch.dict(sys.modules, {name: None for name in MANY}).start()",
    "cleared": "import sys, unittest.mock as mock\nmock.patch.dict(sys.modules, {}, clear=True).start()",
}
MAKE = """
import collections, decimal, fractions

def make():
    value = {"o": collections.OrderedDict(a=1), "d": decimal.Decimal("1.5"), "f": fractions.Fraction(1, 3)}
HIDE
    return value
"""


@pytest.mark.parametrize("way", WAYS)
def test_what_a_factory_makes_does_not_depend_on_what_it_hides(models: ModelWorkspace, way: str) -> None:
    hide = WAYS[way].replace("MANY", MANY)
    indented = "\n".join(f"    {line}" for line in hide.splitlines())
    models.write("plain/net.py", MAKE.replace("HIDE", ""))
    models.write("hiding/net.py", MAKE.replace("HIDE", indented))
    assert models.make("hiding.net:make").pickle == models.make("plain.net:make").pickle


def test_what_was_put_in_their_places_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    fake, real = types.ModuleType("fractions"), standard_modules()
    assert "pytest" not in real
    monkeypatch.setitem(sys.modules, "fractions", fake)
    assert "fractions" not in standard_modules(), "a fake has no spec"
    monkeypatch.delitem(sys.modules, "json")
    with in_their_places(real):
        assert sys.modules["json"] is real["json"]
        assert sys.modules.get("fractions") is not fake or "fractions" not in real
    assert sys.modules["fractions"] is fake
    assert "json" not in sys.modules


def test_what_a_call_hid_is_there_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    before, better = real_modules(), types.ModuleType("csv")
    better.__spec__ = before["json"].__spec__
    monkeypatch.setitem(sys.modules, "json", None)
    monkeypatch.setitem(sys.modules, "decimal", mock.MagicMock())
    monkeypatch.setitem(sys.modules, "csv", better)
    monkeypatch.delitem(sys.modules, "re")
    put_back(before)
    assert all(sys.modules[name] is before[name] for name in ("json", "decimal", "re"))
    assert sys.modules["csv"] is better, "a module that takes the place of another is left"
