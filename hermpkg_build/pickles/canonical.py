"""The canonical pickler: one value, one sequence of bytes, for any unpickler of the standard library.

Every byte depends only on what equal graphs have in common:

- Atoms (see `values`) are memoised by value, everything else by identity, so that aliasing and cycles
  of mutable objects are preserved exactly, and whether equal strings are one object does not matter.
- Only objects that are referred to again have memo entries, numbered by first reference.
- Sets are written in a total order, dicts in theirs, which is data.
- Names of classes and functions come from the objects, not from the order of imports; the
  extension registry of `copyreg` is not used.
- Set elements other than atoms have an order only by their contents and by the other references to
  them. A graph with such a set is surveyed as a whole first (see `survey`).
"""

from __future__ import annotations

from collections.abc import Mapping

from hermpkg_build.core.collection_pause import paused_collection
from hermpkg_build.extension import choose
from hermpkg_build.pickles import opcodes as op
from hermpkg_build.pickles.blame import Blame, no_way_back
from hermpkg_build.pickles.global_names import ResolveGlobal
from hermpkg_build.pickles.graph_writer import GraphWriter, OrderNeededError
from hermpkg_build.pickles.output import DEEPEST, Output, Pieces
from hermpkg_build.pickles.path_of_failure import UnpicklableError
from hermpkg_build.pickles.pickled import PickledObject
from hermpkg_build.pickles.reducing import Reduced
from hermpkg_build.pickles.set_order.survey import survey
from hermpkg_build.pickles.settings import PersistentId, ReduceOverride, Settings
from hermpkg_build.pickles.trial import Trial


def pickle_canonically(
    obj: object,
    *,
    protocol: int = 3,
    name: str = "obj",
    persistent_id: PersistentId | None = None,
    resolve_global: ResolveGlobal | None = None,
    reduce_override: ReduceOverride | None = None,
    trial: Trial | None = None,
) -> PickledObject:
    """Pickle `obj` so that equal values give equal bytes (protocols 3, 4 and 5).

    `name` stands for `obj` in messages. `persistent_id` is called with every object other than an
    atom, list, dict, set, tuple, class or function; its result, unless None, is pickled in the
    object's place. `resolve_global` gets an object with its own ``__module__`` ("" for none) and
    ``__qualname__``, and returns the names to write. `reduce_override` returns the same as
    ``__reduce_ex__``, or NotImplemented. An object that `trial` finds a mistake in is refused.

    In a graph with sets that must be surveyed, callbacks but `reduce_override` are called more than once.
    Storages of torch are not in the pickle: see PickledObject.
    Raises UnpicklableError with the path to the object at fault, ValueError for another protocol.
    """
    if protocol not in (3, 4, 5):
        raise ValueError(f"protocol {protocol} is not one of 3, 4 and 5")
    settings = Settings(
        protocol=protocol,
        name=name,
        persistent_id=persistent_id,
        resolve_global=resolve_global,
        reduce_override=reduce_override,
    )
    ranks: Mapping[int, int] | None = None
    reductions: dict[int, Reduced] = {}
    with paused_collection:
        try:
            pickled = GraphWriter(settings, _begun(protocol), None, reductions).dump(obj)
        except OrderNeededError:
            ranks, _alive = survey(settings, obj, reductions)
            pickled = GraphWriter(settings, _begun(protocol), ranks, reductions).dump(obj)
    if trial is not None and (error := trial.error_of(pickled)) is not None:
        Blame(settings, ranks, trial, reductions).dump(obj)
        raise UnpicklableError(name, no_way_back(error))
    return pickled


def _begun(protocol: int) -> Pieces:
    """A pickle to be written, by the extension where it is installed."""
    if choose().extension is None:
        return Output(protocol)
    from hermpkg_speed import Pickle

    encoders: dict[type, op.Encoder] = {
        int: op.encode_int,
        str: op.encode_text_3 if protocol < 4 else op.encode_text_4,
        bytes: lambda data: op.bytes_header(len(data), protocol),
    }
    return Pickle(protocol, DEEPEST, encoders)
