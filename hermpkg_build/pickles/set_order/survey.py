"""The order of set elements that only the graph around them tells apart."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

from hermpkg_build.pickles import opcodes as op
from hermpkg_build.pickles.graph_writer import GraphWriter, Walk
from hermpkg_build.pickles.output import Output, Place, Table
from hermpkg_build.pickles.path_of_failure import UnpicklableError
from hermpkg_build.pickles.reducing import Elements, Reduced
from hermpkg_build.pickles.set_order.refinement import Node, Refinement
from hermpkg_build.pickles.settings import Settings
from hermpkg_build.pickles.storages import StorageReference, storage_digest

_UNORDERED = frozenset({set, frozenset, Elements})


def survey(
    settings: Settings, obj: object, reductions: dict[int, Reduced]
) -> tuple[dict[int, int], list[object]]:
    """Rank every object of the graph under `obj`; the elements of one set have different ranks.

    `reductions` are those of GraphWriter.

    Returns the ranks by the ids of the objects, and what must live as long as these are used. Equal graphs
    give their objects equal ranks. Where one set has elements that can be exchanged without changing the
    graph, either order will do.
    """
    surveyor = _Surveyor(settings, reductions)
    nodes = surveyor.graph(obj)
    refinement = Refinement(nodes)
    refinement.order_sets()
    ranks = {key: refinement.colours[index] for key, index in surveyor.indexes.items() if type(key) is int}
    return ranks, surveyor.alive


class _Memory:
    """The memory of a storage, apart from any use of it."""

    __slots__ = ("storage",)

    def __init__(self, storage: StorageReference) -> None:
        self.storage = storage


def _nothing(_: object) -> None:
    """Write nothing."""


class _Unmemoised(Output):
    """An output in which everything is written out each time."""

    def __init__(self, protocol: int) -> None:
        super().__init__(protocol)
        self.texts = _Forgetful()

    def written(self, table: Table, key: Hashable) -> bool:
        """Never."""
        del table, key
        return False

    def memoise(self, obj: object) -> None:
        """The survey knows objects by its own index."""

    def take(self) -> bytes:
        """The bytes that were written since the last call."""
        taken = b"".join(self.pieces)
        self.pieces.clear()
        return taken


class _Forgetful(dict[Any, "Place | bytes"]):
    """A memo table that remembers nothing."""

    __slots__ = ()

    def __setitem__(self, key: Any, value: Place | bytes) -> None:
        pass


class _Surveyor(GraphWriter):
    """Walks as the writer does, and makes a node of each object instead of a pickle."""

    def __init__(self, settings: Settings, reductions: dict[int, Reduced]) -> None:
        self._text = _Unmemoised(settings.protocol)
        super().__init__(settings, self._text, {}, reductions)
        self._batches = None
        self._nodes: list[Node] = []
        self.indexes: dict[Hashable, int] = {}
        self.alive = self._text.alive

    def starts(self) -> dict[type, Callable[[Any], Walk | None]]:
        """Those of the writer, and nothing to write for memory."""
        return super().starts() | {_Memory: _nothing}

    def graph(self, obj: object) -> list[Node]:
        """The nodes of everything that `obj` reaches, in no particular order."""
        self._nodes = [Node()]
        self.walk(self._fill((obj,), pickle.STOP))
        return self._nodes

    def walk(self, current: Walk) -> None:
        """Run `current` and the walks over objects that it yields; an object has one node from its start."""
        stack: list[tuple[Walk, Node, object]] = []
        start = self.starts().get
        here = self._nodes[0]
        child: Any = None
        try:
            while True:
                for child in current:
                    here.label.append(self._text.take())
                    node = self._child(here, child)
                    if node is None:
                        continue
                    nested = start(type(child), self._other)(child)
                    if nested is not None:
                        stack.append((current, here, child))
                        current, here = nested, node
                        break
                    node.label.append(self._text.take())
                else:
                    here.label.append(self._text.take())
                    if not stack:
                        return
                    current, here, _ = stack.pop()
        except UnpicklableError:
            raise
        except Exception as error:
            raise self.failure([obj for _, _, obj in stack], child, error) from error

    def _child(self, parent: Node, child: object) -> Node | None:
        """Tie `child` to `parent`; its node if that is new, else None."""
        key = self._key(child)
        index = self.indexes.setdefault(key, len(self._nodes))
        parent.children.append(index)
        if index < len(self._nodes):
            return None
        content = partial(self._digest_of, child.storage) if isinstance(child, _Memory) else None
        self._nodes.append(Node(unordered=type(child) in _UNORDERED, content=content))
        self.alive.append(child)
        return self._nodes[index]

    def _key(self, child: Any) -> Hashable:
        """The key of the node of `child`: its id, or its value if it is an atom."""
        kind = type(child)
        if kind is bytes:
            return "bytes", child
        if kind is _Memory:
            return "memory", child.storage.identity
        if kind is complex:
            return "complex", op.encode_float(child.real), op.encode_float(child.imag)
        if kind is tuple or kind is frozenset:
            key = self._atoms.key(child)
            if key is not None:
                return kind.__name__, key
        return self.value_key(child) or id(child)

    def _storage(self, storage: StorageReference) -> Walk:
        """A use of a storage; the memory is a node of its own, told from others by its bytes if need be."""
        self._referred.key_of(storage)
        yield from self._fill(("storage", storage.kind, storage.location, storage.numel), b"")
        yield _Memory(storage)

    def _digest_of(self, storage: StorageReference) -> str:
        return storage_digest(self._referred.cleared(storage.untyped))
