"""Says once what makes an artifact large, where that is more than people expect beside its tensors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hermpkg_build.assembly.artifact import ArtifactRequest, packed_modules
from hermpkg_build.core.texts import listed, size_text
from hermpkg_build.printable import pasteable

if TYPE_CHECKING:
    from hermpkg_build.core.label import Label
    from hermpkg_build.engine.context import Build

_LARGE = 100_000_000
_SHOWN = 3


def note_large(build: Build, label: Label, request: ArtifactRequest, size: int) -> None:
    """Say once in a workspace what else than tensors is large in an artifact of `size` bytes."""
    if size < _LARGE:
        return
    storages = (each for packed in request.models.values() for each in packed.model.storages)
    tensors = sum({each.digest: each.digest.size for each in storages}.values())
    sizes = Counter[str]()
    for name, bytes_ in _parts(request):
        sizes[name] += bytes_
    others = sum(sizes.values())
    if others >= max(_LARGE, tensors):
        largest = [f"{name} {size_text(bytes_)}" for name, bytes_ in sizes.most_common()]
        build.note_once(
            f"the size of {label}",
            f"{label} has {size_text(others)} beside its tensors: {listed(largest, _SHOWN)}\n"
            "to have less: leave out of resources what is not read, and libraries by extern(...);"
            f" {pasteable('hermpkg', 'inspect', '--tree', str(label))} shows all",
        )


def _parts(request: ArtifactRequest) -> Iterator[tuple[str, int]]:
    """The resources, and the code of each distribution, with their bytes."""
    for name, resource in request.resources.items():
        yield name, resource.digest.size
    for node in packed_modules(request.graph):
        yield node.distribution or "your code", node.digest.size if node.digest is not None else 0
