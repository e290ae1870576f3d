"""The tables of names that scanning rests on agree with the libraries that they are about."""

from __future__ import annotations

from collections import Counter

import torch._weights_only_unpickler as weights_only

from hermpkg_build.scanning import known_names
from hermpkg_build.scanning.harmless import GROUPS, is_harmless
from hermpkg_build.scanning.known_names import capability_of


def test_what_torch_takes_with_weights_only_is_harmless() -> None:
    taken = {name.rpartition(".")[::2] for name in weights_only._get_allowed_globals()}
    assert {pair for pair in taken if not is_harmless(*pair)} == set()


def test_of_torch_nothing_else_is_harmless_but_what_torchscript_archives_hold() -> None:
    groups = [modules for group, modules in GROUPS.items() if "TorchScript" not in group]
    ours = {
        f"{module}.{name}"
        for modules in groups
        for module, names in modules.items()
        for name in names.split()
        if module.partition(".")[0] == "torch"
    }
    assert ours <= weights_only._get_allowed_globals().keys()


def test_nothing_harmless_has_a_capability() -> None:
    listed = [(m, n) for modules in GROUPS.values() for m, names in modules.items() for n in names.split()]
    assert [pair for pair in listed if capability_of(".".join(pair)) is not None] == []


def test_each_name_has_one_capability() -> None:
    names = Counter(name for names in known_names._NAMES.values() for name in names.split())
    assert [name for name, count in names.items() if count > 1] == []
