"""The modules that a pickle needs, as roots of a closure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hermpkg_build.analysis.closure import Root
from hermpkg_build.core.graph import EdgeKind
from hermpkg_build.errors import Location


def pickle_roots(
    source: str, references: Iterable[tuple[str, str]], location: Location | None = None
) -> Iterator[Root]:
    """A root for each module, by name, of the (module, name) pairs that the pickle `source` refers to."""
    names: dict[str, list[str]] = {}
    for module, name in sorted(references):
        names.setdefault(module, []).append(name)
    for module, asked in names.items():
        yield Root(source=source, module=module, kind=EdgeKind.PICKLE, location=location, names=tuple(asked))
