"""Judges what a pickle does with a name: harmless, packed code, dangerous, or on no list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hermpkg_build.pickles.reading.nodes import EXTENSION
from hermpkg_build.scanning.findings import Finding, Kind, Level
from hermpkg_build.scanning.harmless import is_harmless
from hermpkg_build.scanning.indirect_names import reaches_others
from hermpkg_build.scanning.known_names import Capability, capability_within
from hermpkg_build.scanning.pickle_calls import COMPUTED, FORGED_TYPE, Deed, PickleUse, Place
from hermpkg_build.scanning.surroundings import Surroundings, origins_of

_ORDER = (Deed.CHANGES, Deed.CALLS, Deed.STATE, Deed.FILLS, Deed.IMPORTS)
"""Of what a pickle does with one name, the first is told."""

_INSIDES = frozenset(
    {
        *("__globals__", "__builtins__", "__subclasses__", "__code__", "__dict__", "__closure__"),
        *("__loader__", "__spec__", "__self__", "__getattribute__", "__import__"),
    }
)
_TORCHSCRIPT = "__torch__"


def judged(uses: Iterable[PickleUse], record: str, around: Surroundings) -> Iterator[Finding]:
    """The findings for what a pickle does, one for each name; none for a harmless one."""
    by_name: dict[tuple[str, str, bool], list[PickleUse]] = {}
    for use in uses:
        if use.deed is not Deed.ASKS:
            key = (use.module, use.name, use.deed is Deed.CHANGES)
            by_name.setdefault(key, []).append(use)
    for (module, name, changes), same in by_name.items():
        use = min(same, key=lambda use: _ORDER.index(use.deed))
        verdict = _CHANGES if changes else verdict_on(module, name, around)
        if verdict is None:
            continue
        place = use.places[0] if use.places else Place(path="", offset=-1)
        yield Finding(
            level=verdict.level,
            kind=Kind.PICKLE,
            record=record,
            does=str(use.deed),
            name=use.full_name if use.module != COMPUTED else "something whose name is computed",
            capability=verdict.capability,
            detail=verdict.words,
            path=place.path,
            offset=place.offset,
            arguments=place.arguments,
            module=module,
            count=use.count,
        )


class Verdict(NamedTuple):
    """How bad it is that a pickle names something, what that can do, and words for it."""

    level: Level
    capability: Capability | None
    words: str


_CHANGES = Verdict(Level.DANGEROUS, Capability.INTERNALS, "changes what it imports")

_FORGED = Verdict(
    Level.DANGEROUS, Capability.INTERNALS, "forges a type of numpy, by which it takes numbers for addresses"
)


def verdict_on(module: str, name: str, around: Surroundings) -> Verdict | None:
    """Judge a name in a pickle; None for a harmless one."""
    if module == COMPUTED:
        return Verdict(Level.DANGEROUS, Capability.COMPUTED, "")
    if module == "copyreg" and name.startswith(EXTENSION):
        return Verdict(Level.DANGEROUS, Capability.COMPUTED, "an extension code, which the process decides")
    if not _INSIDES.isdisjoint(name.split(".")):
        return Verdict(Level.DANGEROUS, Capability.INTERNALS, str(Capability.INTERNALS))
    if (module, name) == FORGED_TYPE:
        return _FORGED
    if module in around.packed:
        return _of_packed(module, name, around)
    if around.is_torchscript and module.partition(".")[0] == _TORCHSCRIPT:
        return Verdict(Level.NOTE, None, "a class of TorchScript")
    return _of_extern(module, name)


def _of_extern(module: str, name: str) -> Verdict | None:
    if is_harmless(module, name):
        return None
    capability = capability_within(f"{module}.{name}")
    if capability is not None and capability.is_dangerous:
        return Verdict(Level.DANGEROUS, capability, str(capability))
    if reaches_others(module, name):
        return Verdict(Level.DANGEROUS, Capability.INTERNALS, "reaches other functions by their names")
    return Verdict(Level.UNKNOWN, capability, str(capability or "is on no list of harmless names"))


def _of_packed(module: str, name: str, around: Surroundings) -> Verdict:
    """A name in a packed module is packed code, unless that module has it from elsewhere."""
    worst = Verdict(Level.NOTE, None, "a packed class or function")
    for full in origins_of(module, name, around):
        of, _, last = full.rpartition(".")
        found = _of_extern(of, last)
        if found is not None and found.level > worst.level:
            worst = found._replace(words=f"is {full}: {found.words}")
    return worst
