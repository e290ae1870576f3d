"""What lies around a pickle, and what the names of packed modules stand for there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.scanning.name_origins import origins_in

_MOST_SEGMENTS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What lies around a pickle: `packed` are the modules in its artifact, whose code is judged by itself.

    `exports` are what the names of packed modules stand for, as far as they are imports or aliases.
    """

    packed: Collection[str] = ()
    exports: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    is_torchscript: bool = False


def origins_of(module: str, name: str, around: Surroundings) -> Iterator[str]:
    """The names outside of the artifact that a name in a packed module stands for, by imports and aliases."""
    seen: set[tuple[str, str]] = set()
    names = [(module, name)]
    while names and len(seen) < 64:
        module, name = names.pop()
        if (module, name) in seen:
            continue
        seen.add((module, name))
        first, dot, rest = name.partition(".")
        for origin in origins_in(around.exports.get(module, {}), first):
            full = f"{origin}{dot}{rest}"
            inner = _packed_parent(full, around.packed)
            if inner:
                names.append((inner, full[len(inner) + 1 :]))
            else:
                yield full


def _packed_parent(name: str, packed: Collection[str]) -> str:
    """The packed module that the dotted `name` lies in, "" for none."""
    module = ".".join(name.split(".", _MOST_SEGMENTS)[:_MOST_SEGMENTS]).rpartition(".")[0]
    while module and module not in packed:
        module = module.rpartition(".")[0]
    return module
