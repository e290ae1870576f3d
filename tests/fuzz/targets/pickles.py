"""Pickles, read as data: their objects, the globals that they name, tensors by name, differences."""

from __future__ import annotations

import collections
import pickle
from collections.abc import Mapping
from pathlib import Path

from laws import Reader, target_of
from mutation.pickles import other_pickle

from hermpkg_build.inspection.diff.object_graphs import compare_graphs, compare_opcodes
from hermpkg_build.pickles.reading.named_tensors import named_tensors
from hermpkg_build.pickles.reading.nodes import contents_of_pickle, opcodes_of, read_pickle


class Thing:
    """Has a state, and says how it is made."""

    def __init__(self) -> None:
        self.parts = [1, -1, 2**80, 1.5, "x\x1b", b"y", None, True, (1, 2, 3, 4), {1}, frozenset({2})]
        self.again = self.parts
        self.table = collections.OrderedDict(a=self.parts, b=self)

    def __reduce__(self) -> tuple[object, ...]:
        """Return what makes it: a call, its arguments, its state."""
        return (collections.Counter, ({"a": 1},), self.__dict__, iter([1]), iter({"k": 2}.items()))


def _tensors() -> bytes:
    """A state dict as torch.package writes it, by hand: with persistent ids, without torch."""
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x00%dX\x03\x00\x00\x00cpuK\x08tQ"
    layout = b"K\x00K\x02K\x04\x86K\x04K\x01\x86\x89ccollections\nOrderedDict\n)R"
    tensors = b"".join(
        b"X\x02\x00\x00\x00w%dctorch._utils\n_rebuild_tensor_v2\n(%s%stRs" % (n, storage % n, layout)
        for n in range(2)
    )
    return b"\x80\x02}" + tensors + b"."


def readers(_: Path) -> Mapping[str, Reader]:
    """Return the readers of pickles, each with pickles of a protocol."""
    found = {
        f"protocol-{protocol}": Reader(
            sound=pickle.dumps([Thing(), Thing, len], protocol), read=_read_all, raises=(ValueError,)
        )
        for protocol in range(6)
    }
    found["tensors"] = Reader(sound=_tensors(), read=_read_all, raises=(ValueError,))
    return found


def _read_all(data: bytes) -> None:
    contents_of_pickle(data)
    for _ in opcodes_of(data):
        pass
    node = read_pickle(data)
    list(named_tensors(node, "model.pkl"))
    compare_graphs(node, read_pickle(data), "model.pkl")
    list(compare_opcodes(data, data[:-1] + b"0.", node, "model.pkl"))


TARGET = target_of(readers, other_pickle)
