"""The modules of a workspace are those that a dictionary of all would hold, and made when somebody asks."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermpkg_build.analysis import workspace_modules
from hermpkg_build.analysis.module_finder import declared_module, namespaces_above
from hermpkg_build.analysis.workspace_modules import WorkspaceModules
from hermpkg_build.core.label import Label
from hermpkg_build.core.module_names import record_of_module
from hermpkg_build.core.target import DeclaredModule, DeclaredModules
from hermpkg_build.loading.declared_modules import declared_modules

names = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(".".join)


def declared(number: int, name: str, *, is_package: bool) -> DeclaredModule:
    label = Label("src", record_of_module(name, is_package))
    return DeclaredModule(label=label, module=name, path=label.path, owner=Label(f"lib{number}", "code"))


def owned(modules: Sequence[DeclaredModule]) -> DeclaredModules:
    labels, names = [each.label for each in modules], [each.module for each in modules]
    return declared_modules(modules[0].owner, labels, names)


@settings(max_examples=100)
@given(
    st.lists(st.tuples(st.integers(0, 2), names, st.booleans()), unique_by=lambda each: each[1], max_size=8)
)
def test_all_modules_are_those_declared_and_the_namespaces_above(
    modules: list[tuple[int, str, bool]],
) -> None:
    owners: dict[Label, list[DeclaredModule]] = {}
    for number, name, is_package in modules:
        module = declared(number, name, is_package=is_package)
        owners.setdefault(module.owner, []).append(module)
    found = WorkspaceModules({label: owned(own) for label, own in owners.items()}, "/w")
    sources = {each.module: declared_module(each, "/w") for own in owners.values() for each in own}
    expected = {**namespaces_above([sources[name] for name in sorted(sources)], "/w"), **sources}
    assert dict(found) == expected
    assert len(found) == len(expected)
    assert all(name in found for name in expected)
    assert "other" not in found
    assert dict(found.seen_by([*owners])) == expected


def test_a_module_is_made_once_when_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counted(module: DeclaredModule, root: str) -> object:
        made.append(module.module)
        return declared_module(module, root)

    monkeypatch.setattr(workspace_modules, "declared_module", counted)
    own = [declared(0, "a", is_package=True), *(declared(0, f"a.{name}", is_package=False) for name in "bcd")]
    modules = WorkspaceModules({own[0].owner: owned(own)}, "/w")
    assert made == []
    assert modules["a.c"] is modules["a.c"]
    assert made == ["a.c"]


def test_modules_are_renewed_while_other_threads_ask_for_them() -> None:
    own = [declared(0, f"space.m{number}", is_package=False) for number in range(20_000)]
    modules = WorkspaceModules({own[0].owner: owned(own)}, "/w")
    asking = threading.Thread(target=lambda: [modules[each.module] for each in own], daemon=True)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        asking.start()
        while asking.is_alive():
            again = modules.renewed()
            assert "space" in again
            assert again["space"] is modules["space"]
    finally:
        sys.setswitchinterval(before)
        asking.join()
    assert again["space.m7"] == modules["space.m7"]
