"""Tables are cleared and filled while other threads import modules of the same package."""

from __future__ import annotations

import sys
import typing
from types import ModuleType, SimpleNamespace
from typing import Any

from hermpkg_build.runtime.importing.host_tables import give_overloads, show_modules, take_overloads


class Meanwhile(dict[str, Any]):
    """A table in which a module is imported, by another thread, whenever it is looked at."""

    def __init__(self, names: set[str], entries: dict[str, Any]) -> None:
        super().__init__(entries)
        self._names = names

    def _import(self) -> None:
        self._names.add(f"module {len(self._names)}")

    def __contains__(self, key: object) -> bool:
        self._import()
        return super().__contains__(key)

    def __setitem__(self, key: str, value: Any) -> None:
        self._import()
        super().__setitem__(key, value)

    def pop(self, *arguments: Any) -> Any:
        self._import()
        return super().pop(*arguments)


def test_overloads_are_taken_while_modules_are_imported(monkeypatch) -> None:
    names = {"a", "b", "c"}
    table = Meanwhile(names, {"a": {"f": {1: "one"}}, "c": {"g": {2: "two"}}, "other": {}})
    monkeypatch.setattr(typing, "_overload_registry", table, raising=False)
    monkeypatch.delitem(sys.modules, "typing_extensions", raising=False)
    taken = take_overloads(names)
    assert sorted(name for _, name, _ in taken) == ["a", "c"]
    assert [*table] == ["other"]
    give_overloads(taken)
    assert dict(table) == {"a": {"f": {1: "one"}}, "c": {"g": {2: "two"}}, "other": {}}


def test_modules_are_shown_to_torch_while_others_are_imported(monkeypatch) -> None:
    names = {f"<hermpkg_test>.m{number}" for number in range(3)}
    for name in names:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    table = Meanwhile(names, {})
    stock = SimpleNamespace(_package_imported_modules=table)
    monkeypatch.setitem(sys.modules, "torch.package.package_importer", stock)
    before = {*names}
    show_modules(names)
    assert {*table} == before
