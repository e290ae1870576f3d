"""Facts in shared packs: what one machine has found out the next one finds, in whatever order each asks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest

from hermpkg_build.analysis.module_finder import ModuleSource
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.label import Label
from hermpkg_build.core.module_roles import ModuleKind, Origin
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.engine.facts import CachedFacts
from hermpkg_build.engine.journal import Journal
from hermpkg_build.engine.observer import BuildObserver

SOURCES = ["", "", "", "import a\n", "import a\n", "from . import b\n"]
PACKAGES = ["libs", "search", "support"]


class Packs:
    """Packs in a dictionary."""

    def __init__(self) -> None:
        self.packs: dict[str, dict[Digest, bytes]] = {}

    def find(self, wanted: Mapping[Digest, str]) -> dict[Digest, bytes]:
        return {
            digest: self.packs[name][digest]
            for digest, name in wanted.items()
            if digest in self.packs.get(name, {})
        }

    def add(self, name: str, facts: Mapping[Digest, bytes]) -> None:
        self.packs.setdefault(name, {}).update(facts)


def analysed(modules: list[ModuleSource], random: Random, packs: Packs) -> int:
    """How many modules a machine that has no cache analyses, asked in some order, some at once."""
    journal = Journal(BuildObserver())
    facts = CachedFacts(SourceTree(), None, journal, 1, packs=packs)
    left = random.sample(modules, len(modules))
    while left:
        count = random.randint(1, len(left))
        facts.facts_of(left[:count])
        left = left[count:]
    facts.share()
    return journal.counts()["analyse"].run


@pytest.mark.parametrize("seed", range(20))
def test_a_second_machine_analyses_nothing(tmp_path: Path, seed: int) -> None:
    random, packs = Random(seed), Packs()
    modules = []
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        for number, source in enumerate(random.sample(SOURCES, 3)):
            path = tmp_path / package / f"m{number}.py"
            path.write_text(source, encoding="utf-8")
            modules.append(
                ModuleSource(
                    name=f"{package}.m{number}",
                    kind=ModuleKind.SOURCE,
                    origin=Origin.WORKSPACE,
                    path=str(path),
                    label=Label.parse(f"//{package}:modules"),
                )
            )
    assert analysed(modules, random, packs) > 0
    for _ in range(5):
        assert analysed(modules, random, packs) == 0
