"""Pickles the loaded model of a package once more, to see whether its bytes depend on the process.

Reductions may hold the address of an object or the order of a set, which differ by process although the
values are the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

RECORD = "model/model.pkl"
_SHOWN = 3


def pickled_again(importer: Any, model: Any, record: str) -> bytes:
    """The pickle of the model that `importer` has loaded; b"" where it is `record`, that of the package.

    Also where nothing can be said: an object that cannot be pickled again, or saves more than a pickle.
    """
    from hermpkg_build.exporter.pickling import GlobalNames
    from hermpkg_build.pickles.canonical import pickle_canonically
    from hermpkg_build.pickles.storage_numbers import StorageNumbers, renumber_storages
    from hermpkg_build.runtime.importer_protocol import OrderedImporter, sys_importer
    from hermpkg_build.runtime.importing.pickled_names import plain_names

    package, _, resource = record.rpartition("/")
    before: bytes = importer.load_binary(package, resource)
    try:
        names = GlobalNames(OrderedImporter(importer, sys_importer))
        with plain_names():
            pickled = pickle_canonically(model, resolve_global=names.resolve, persistent_id=_refuse)
        keys = StorageNumbers[None]().keys_of(pickled.storages, lambda new: [None] * len(new))
        again = renumber_storages(pickled.data, pickled.key_offsets, keys)
    except Exception:  # noqa: BLE001 -- code of the model runs, and this is no more than a question
        return b""
    return b"" if again == before else again


def _refuse(obj: Any) -> None:
    if hasattr(type(obj), "__reduce_package__"):
        raise ValueError("it saves more than a pickle")


def differences(one: bytes, other: bytes) -> Iterator[str]:
    """Where the pickles of two processes differ, in words; nothing for equal ones."""
    if one == other:
        return
    from hermpkg_build.inspection.diff.object_graphs import compare_graphs
    from hermpkg_build.pickles.reading.nodes import read_pickle

    found = compare_graphs(read_pickle(one), read_pickle(other), RECORD)
    if not found.differences:
        yield "the same values are written in another way"
    for each in found.differences[:_SHOWN]:
        values = " and ".join(side.value for side in (each.a, each.b) if side is not None)
        hint = f" ({each.hint})" if each.hint else ""
        yield f"{each.path} {each.what}: {values}{hint}"
