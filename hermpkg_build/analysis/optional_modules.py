"""Which modules of a set only imports lead to that may fail, or that may not run."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from hermpkg_build.analysis.import_resolution import absolute_name, package_of
from hermpkg_build.analysis.module_finder import ModuleSource
from hermpkg_build.core.import_facts import Import, ImportContext, ImportFacts
from hermpkg_build.core.module_names import is_within, parents_of

_OPTIONAL = ImportContext.TRY | ImportContext.CONDITIONAL


def optional_modules(found: Iterable[tuple[ModuleSource, ImportFacts]]) -> frozenset[str]:
    """Return the modules that others of them import, but only optionally; and what lies in such packages.

    A module that nobody imports, or only one of these, is none: it may be imported from elsewhere.
    """
    modules = {source.name: (source, facts) for source, facts in found}
    optional: set[str] = set()
    needed_by: dict[str, set[str]] = {}
    for source, facts in modules.values():
        for imported in facts.imports:
            if imported.context & ImportContext.TYPE_CHECKING:
                continue
            named = _named(imported, source, modules)
            if imported.context & _OPTIONAL:
                optional.update(named)
            else:
                needed_by.setdefault(source.name, set()).update(named, *map(parents_of, named))
    waiting = [*(modules.keys() - optional)]
    needed = {*waiting}
    while waiting:
        more = (needed_by.get(waiting.pop(), set()) & modules.keys()) - needed
        needed |= more
        waiting += more
    left = optional - needed
    return frozenset(name for name in modules if any(is_within(name, each) for each in left))


def _named(imported: Import, source: ModuleSource, modules: Collection[str]) -> set[str]:
    """The modules that an import names: submodules, where it names some, else the one that these are of."""
    name, fault = absolute_name(imported, package_of(source))
    if fault is not None:
        return set()
    parts = {part for each in imported.names if (part := f"{name}.{each}") in modules}
    return parts or ({name} & {*modules} - {source.name})
