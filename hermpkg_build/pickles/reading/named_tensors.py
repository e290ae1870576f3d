"""The tensors of a pickle by name, with every name that leads to each; nothing is imported or loaded."""

from __future__ import annotations

from collections.abc import Iterator

from hermpkg_build.core.collection_pause import paused_collection
from hermpkg_build.dataclass import dataclass
from hermpkg_build.pickles.reading.naming_walk import (
    NamingWalk,
    leading_to,
    start_of_walk,
    storage_and_tensor,
)
from hermpkg_build.pickles.reading.nodes import Node, NodeKind
from hermpkg_build.pickles.reading.tensors import Storage, Tensor

_MOST_NAMES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedTensor:
    """A tensor of a pickle, or another object that has a storage.

    `names` are its keys in a state dict (``layer1.weight``), or else the paths to it
    (``model.cache["k"][0]``), in the order of the pickle; several where it is shared. `tensor` is None where
    its layout is not known, as with sparse tensors' parts and bare storages.
    """

    names: tuple[str, ...]
    storage: Storage
    tensor: Tensor | None


def named_tensors(node: Node, record: str) -> Iterator[NamedTensor]:
    """Give the tensors of the graph `node` of the pickle `record`, each once, in the order of the pickle.

    A dict that is the whole pickle is read as a state dict: its keys are names.
    """
    found: dict[int, tuple[Storage, Tensor | None]] = {}
    names: dict[int, dict[str, None]] = {}
    starts = start_of_walk(node, record)
    with paused_collection:
        leading = leading_to(starts, _is_persistent)
        for path, here, (storage, tensor) in NamingWalk(leading, storage_and_tensor).run(starts):
            found.setdefault(id(here), (storage, tensor))
            known = names.setdefault(id(here), {})
            if len(known) < _MOST_NAMES:
                known[path.state_key() or str(path)] = None
    for key, (storage, tensor) in found.items():
        yield NamedTensor(names=tuple(names[key]), storage=storage, tensor=tensor)


def _is_persistent(node: Node) -> bool:
    return node.kind is NodeKind.PERSISTENT
