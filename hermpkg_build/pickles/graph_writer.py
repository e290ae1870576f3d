"""The walk over an object graph that writes it as a pickle."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from types import EllipsisType, FunctionType, GeneratorType, NotImplementedType
from typing import Any, TypeAlias

from hermpkg_build.pickles import opcodes as op
from hermpkg_build.pickles.global_names import GlobalWriter
from hermpkg_build.pickles.hook_numbers import number_hooks
from hermpkg_build.pickles.output import DEEPEST, Output, Pieces
from hermpkg_build.pickles.package_reductions import copied
from hermpkg_build.pickles.path_of_failure import UnpicklableError, path_of, reason_for
from hermpkg_build.pickles.pickled import PickledObject
from hermpkg_build.pickles.plain_batches import SMALLEST, PlainBatches
from hermpkg_build.pickles.plain_classes import PlainClasses
from hermpkg_build.pickles.reducing import (
    Elements,
    Reduced,
    checked,
    is_value,
    reduce,
    reduced_instance,
    runs_code,
)
from hermpkg_build.pickles.referred_storages import ReferredStorages
from hermpkg_build.pickles.settings import Settings
from hermpkg_build.pickles.storages import StorageReference, storage_reference
from hermpkg_build.pickles.values import AtomKeys, sort_atoms, split_atoms

Walk: TypeAlias = "Iterator[Any]"

_REENTRIES = 1_000


class OrderNeededError(Exception):
    """A set has elements that only their place in the whole graph orders."""


class GraphWriter:
    """One walk over one graph that writes it.

    `ranks` orders the elements of sets other than atoms, by their ids; without it, a set that needs
    them raises OrderNeededError. `reductions` are kept from walk to walk over one graph, by the ids of
    objects: each is asked once, for it may change by that.
    """

    def __init__(
        self, settings: Settings, out: Pieces, ranks: Mapping[int, int] | None, reductions: dict[int, Reduced]
    ) -> None:
        self._settings = settings
        self._protocol = settings.protocol
        self._out = out
        self._ranks = ranks
        self._reductions = reductions
        self._globals = GlobalWriter(out, settings.protocol, settings.resolve_global)
        self._atoms = AtomKeys()
        self._plain = PlainClasses(settings, out, self._globals)
        self._batches: PlainBatches | None = None
        if isinstance(out, Output):
            self._batches = PlainBatches(self._protocol, out, self._atoms, self._plain)
        self._values: dict[int, Hashable] = {}
        self._building: dict[int, int] = {}
        self._referred = ReferredStorages()
        self._runs_code = False

    def starts(self) -> dict[type, Callable[[Any], Walk | None]]:
        """What begins to write an object, by type; kept, it would lead back here, for collections to find."""
        found: dict[type, Callable[[Any], Walk | None]] = {
            list: self._list,
            dict: self._dict,
            tuple: self._tuple,
            bytes: self._out.byte_string,
            set: self._set,
            frozenset: self._frozenset,
            complex: self._complex,
            type: self._class,
            FunctionType: self._globals.write,
            EllipsisType: partial(self._constant, "Ellipsis"),
            NotImplementedType: partial(self._constant, "NotImplemented"),
            Elements: self._elements,
        }
        if self._protocol >= 5:
            found |= {bytearray: self._bytearray, pickle.PickleBuffer: self._buffer}
        return found

    def dump(self, obj: object) -> PickledObject:
        """Pickle `obj`; a writer is used once."""
        self.walk(self._fill((obj,), pickle.STOP))
        data, key_offsets = self._out.finish()
        return PickledObject(
            data=data,
            globals=tuple(sorted(self._globals.written)),
            storages=self._referred.all(),
            key_offsets=key_offsets,
            runs_code=self._runs_code,
        )

    def walk(self, current: Walk) -> None:
        """Run `current` and everything it yields, depth first, without recursion."""
        # Walks that wait, each for the one over an object that it yielded: these are the path from the root.
        stack: list[tuple[Walk, object]] = []
        out, refer = self._out, self._out.refer
        start = self.starts().get
        other = self._other
        child: Any = None
        try:
            while True:
                for child in current:
                    if not refer(child) and (nested := start(type(child), other)(child)) is not None:
                        if out.levels >= DEEPEST:
                            raise pickle.PicklingError(f"the graph is more than {DEEPEST:,} levels deep")
                        stack.append((current, child))
                        out.levels += 1
                        current = nested
                        break
                else:
                    if not stack:
                        return
                    current, _ = stack.pop()
                    out.levels -= 1
        except (UnpicklableError, OrderNeededError):
            raise
        except Exception as error:
            opened = [obj for walk, started in stack for obj in (*opened_in(walk), started)]
            raise self.failure([*opened, *opened_in(current)], child, error) from error

    def failure(self, opened: Sequence[object], child: object, error: Exception) -> UnpicklableError:
        """The error for `child`, to which the objects `opened` lead, each a part of the one before."""
        reductions = {id(obj): reduced_instance(obj) for obj in opened if self._plain.key_of(type(obj))}
        reductions |= {id(known.obj): known for known in self._out.alive if isinstance(known, Reduced)}
        path = path_of(self._settings.name, opened, child, reductions)
        return UnpicklableError(path, reason_for(child, error))

    # ---- containers

    def _fill(self, children: Iterable[Any], closing: bytes) -> Walk:
        """Write `children`, then `closing`; yields those that are not written at once."""
        return self._out.fill(children, closing)

    def _list(self, obj: list[Any]) -> Walk | None:
        self._out.append(pickle.EMPTY_LIST)
        self._out.memoise(obj)
        return self._fill_list(obj) if obj else None

    def _fill_list(self, items: list[Any]) -> Walk:
        if len(items) == 1:
            # To write it may add others, which are not appended.
            return self._fill((items[0],), pickle.APPEND)
        self._out.append(pickle.MARK)
        return self._fill_many(len(items), items, pickle.APPENDS)

    def _dict(self, obj: dict[Any, Any]) -> Walk | None:
        self._out.append(pickle.EMPTY_DICT)
        self._out.memoise(obj)
        if not obj or (
            self._batches is not None and len(obj) >= SMALLEST and self._batches.wrote_vocabulary(obj)
        ):
            return None
        return self._fill_dict(len(obj), obj.items())

    def _fill_dict(self, size: int, items: Iterable[tuple[Any, Any]]) -> Walk:
        flat = chain.from_iterable(items)
        if size == 1:
            return self._fill(flat, pickle.SETITEM)
        self._out.append(pickle.MARK)
        return self._fill_many(2 * size, flat, pickle.SETITEMS)

    def _fill_many(self, size: int, children: Iterable[Any], closing: bytes) -> Walk:
        """Write `size` children, then `closing`: those that are plain in batches."""
        if size < SMALLEST or self._batches is None:
            return self._fill(children, closing)
        return self._batches.fill(iter(children), self._fill, closing)

    def _tuple(self, obj: tuple[Any, ...]) -> Walk | None:
        if not obj:
            self._out.append(pickle.EMPTY_TUPLE)
            return None
        key = self._atoms.key(obj)
        if key is None:
            return self._tuple_by_identity(obj)
        if self._out.refer_to_value(key):
            return None
        return self._tuple_by_value(obj, key)

    def _tuple_by_value(self, obj: tuple[Any, ...], key: Hashable) -> Walk:
        opening, closing = op.of_tuple(len(obj))
        if opening:
            self._out.append(opening)
        yield from self._fill(obj, closing)
        self._out.memoise_value(key)

    def _tuple_by_identity(self, obj: tuple[Any, ...]) -> Walk:
        opening, closing = op.of_tuple(len(obj))
        if opening:
            self._out.append(opening)
        yield from self._fill(obj, b"")
        if self._out.is_memoised(obj):
            # It contains itself and was completed further down: that one is the object.
            self._out.append(pickle.POP_MARK if opening else pickle.POP * len(obj))
            self._out.refer(obj)
        else:
            self._out.append(closing)
            self._out.memoise(obj)

    def _set(self, obj: set[Any]) -> Walk:
        atoms, others = self._in_order(obj)
        if self._protocol >= 4:
            self._out.append(pickle.EMPTY_SET)
            self._out.memoise(obj)
            if obj:
                self._out.append(pickle.MARK)
                yield from self._fill(chain(atoms, others), pickle.ADDITEMS)
        elif not others:
            self._globals.write(set)
            if atoms:
                yield from self._list_of(atoms)
            self._out.append(op.TUPLE_OF[1 if atoms else 0] + pickle.REDUCE)
            self._out.memoise(obj)
        else:
            # Protocol 3 can only call set(elements), which is too late for a set that one of its
            # elements refers to; so the empty set is made first, and updated.
            self._globals.write(set)
            self._out.append(pickle.EMPTY_TUPLE + pickle.REDUCE)
            self._out.memoise(obj)
            yield set.update
            self._out.refer(obj)
            yield from self._list_of(chain(atoms, others))
            self._out.append(op.TUPLE_OF[2] + pickle.REDUCE + pickle.POP)

    def _frozenset(self, obj: frozenset[Any]) -> Walk | None:
        key = self._atoms.key(obj)
        if key is not None and self._out.refer_to_value(key):
            return None
        return self._new_frozenset(obj, key)

    def _new_frozenset(self, obj: frozenset[Any], key: Hashable | None) -> Walk:
        atoms, others = self._in_order(obj)
        self._enter(obj)
        if self._protocol >= 4:
            self._out.append(pickle.MARK)
            yield from self._fill(chain(atoms, others), b"")
        else:
            self._globals.write(frozenset)
            yield from self._list_of(chain(atoms, others))
        self._leave(obj)
        if self._out.is_memoised(obj):
            self._out.append(pickle.POP_MARK if self._protocol >= 4 else pickle.POP * 2)
            self._out.refer(obj)
            return
        self._out.append(pickle.FROZENSET if self._protocol >= 4 else op.TUPLE_OF[1] + pickle.REDUCE)
        if key is None:
            self._out.memoise(obj)
        else:
            self._out.memoise_value(key)

    def _list_of(self, elements: Iterable[Any]) -> Walk:
        """A list that only the next opcode sees."""
        self._out.append(pickle.EMPTY_LIST + pickle.MARK)
        yield from self._fill(elements, pickle.APPENDS)

    def _elements(self, obj: Elements) -> Walk:
        atoms, others = self._in_order(obj.members)
        return self._list_of(chain(atoms, others))

    def _in_order(self, obj: set[Any] | frozenset[Any]) -> tuple[list[Any], list[Any]]:
        """The elements of a set in the order to write them: atoms, then the others."""
        atoms, others = split_atoms(obj, self._atoms)
        if len(others) > 1:
            ranks = self._ranks
            if ranks is None:
                raise OrderNeededError
            # Objects that were made for this walk alone have no rank, and come last.
            others.sort(key=lambda element: ranks.get(id(element), len(ranks)))
        return sort_atoms(atoms), others

    # ---- single values

    def _bytearray(self, obj: bytearray) -> None:
        self._out.block(op.bytearray_header(len(obj)), bytes(obj))
        self._out.memoise(obj)

    def _buffer(self, obj: pickle.PickleBuffer) -> None:
        with obj.raw() as raw:
            data = bytes(raw)
            readonly = raw.readonly
        if readonly:
            self._out.byte_string(data)
        else:
            self._out.block(op.bytearray_header(len(data)), data)
            self._out.memoise(obj)

    def _complex(self, obj: complex) -> None:
        key = ("complex", op.encode_float(obj.real), op.encode_float(obj.imag))
        if not self._out.refer_to_value(key):
            self._globals.write(complex)
            self._out.append(key[1] + key[2] + op.TUPLE_OF[2] + pickle.REDUCE)
            self._out.memoise_value(key)

    def _constant(self, name: str, _: object) -> None:
        self._globals.write_name("builtins", name)

    def _class(self, obj: type) -> Walk | None:
        if obj in (type(None), type(Ellipsis), type(NotImplemented)):
            return self._reduced(Reduced(obj=obj, function=type, arguments=(_INSTANCES[obj],)))
        self._globals.write(obj)
        return None

    # ---- everything else

    def _other(self, obj: Any) -> Walk | None:
        """An object of a type without an entry in `_start`."""
        self._out.settle()
        if not isinstance(self._out, Output) and (name := self._plain.key_of(type(obj))) is not None:
            self._out.take_class(type(obj), name)
        if (
            self._settings.persistent_id is not None
            and (persistent := self._settings.persistent_id(obj)) is not None
        ):
            return self._persistent(obj, persistent)
        storage = storage_reference(obj)
        if storage is not None:
            return self._storage(storage)
        # One that is needed to make itself again is asked anew: its parts would not be complete.
        known = None if id(obj) in self._building else self._reductions.get(id(obj))
        if known is None:
            returned = self._asked(obj)
            if returned is NotImplemented or isinstance(returned, str):
                self._globals.write(obj, returned if isinstance(returned, str) else None)
                return None
            known = number_hooks(checked(obj, returned), self._reductions)
            self._reductions.setdefault(id(obj), known)
        key = self.value_key(obj)
        if key is not None and self._out.refer_to_value(key):
            return None
        return self._reduced(known, key)

    def _asked(self, obj: Any) -> Any:
        """What `obj` reduces to; NotImplemented for a class."""
        if self._settings.reduce_override is not None:
            returned = self._settings.reduce_override(obj)
            if returned is not NotImplemented:
                return returned
        return reduce(obj, self._protocol)

    def value_key(self, obj: Any) -> Hashable | None:
        """Equal for objects that are one whatever their identity; None where identity counts."""
        if id(obj) in self._values:
            return self._values[id(obj)]
        if not is_value(obj):
            return None
        apart = GraphWriter(self._settings, Output(self._protocol), None, {})
        key = apart.dump(reduce(obj, self._protocol)).data
        self._values[id(obj)] = key
        self._out.alive.append(obj)
        return key

    def _persistent(self, obj: object, persistent: object) -> Walk:
        """Write what stands for an object, out of containers of its own where its parts refer to it."""
        if id(obj) in self._building:
            persistent = copied(persistent)
        self._out.alive.extend((obj, persistent))
        self._runs_code = True
        self._enter(obj)
        yield from self._fill((persistent,), pickle.BINPERSID)
        self._leave(obj)

    def _storage(self, storage: StorageReference) -> Walk:
        """The persistent id of a storage, written anew each time since its key is to be found again."""
        key = self._referred.key_of(storage)
        self._out.append(pickle.MARK)
        yield from self._fill(("storage", storage.kind), b"")
        self._out.storage_key(key)
        yield from self._fill((storage.location, storage.numel), pickle.TUPLE + pickle.BINPERSID)

    def _reduced(self, reduced: Reduced, key: Hashable | None = None) -> Walk:
        """Write an object as it reduces; it is memoised by `key` where it has one."""
        # Objects that were made for this call alone must outlive it, or their ids could pass to others.
        self._out.alive.append(reduced)
        self._runs_code = self._runs_code or runs_code(reduced)
        obj = reduced.obj
        self._enter(obj)
        yield from self._construct(reduced)
        self._leave(obj)
        if self._out.is_memoised(obj):
            self._out.append(pickle.POP)
            self._out.refer(obj)
            return
        if key is None:
            self._out.memoise(obj)
        else:
            self._out.memoise_value(key)
        if reduced.items:
            yield from self._fill_list(reduced.items)
        if reduced.pairs:
            yield from self._fill_dict(len(reduced.pairs), reduced.pairs)
        if reduced.state is None:
            return
        if reduced.setter is None:
            yield from self._fill((reduced.state,), pickle.BUILD)
        else:
            yield reduced.setter
            self._out.refer(obj)
            yield from self._fill((reduced.state,), op.TUPLE_OF[2] + pickle.REDUCE + pickle.POP)

    def _construct(self, reduced: Reduced) -> Walk:
        """Leave the new object on the stack, before its state."""
        function, arguments = reduced.function, reduced.arguments
        name = getattr(function, "__name__", "")
        if name in ("__newobj__", "__newobj_ex__"):
            cls = arguments[0]
            if not hasattr(cls, "__new__"):
                raise pickle.PicklingError(f"the first argument of {name} must be a class")
            if reduced.obj is not None and cls is not reduced.obj.__class__:
                raise pickle.PicklingError(f"the first argument of {name} is not the object's class")
        if name == "__newobj__":
            yield from self._fill((cls, arguments[1:]), pickle.NEWOBJ)
        elif name == "__newobj_ex__" and self._protocol >= 4:
            yield from self._fill(arguments, pickle.NEWOBJ_EX)
        elif name == "__newobj_ex__":
            _, positional, keywords = arguments
            make = partial(cls.__new__, cls, *positional, **keywords)
            self._out.alive.append(make)
            yield from self._fill((make, ()), pickle.REDUCE)
        else:
            self._referred.note_call(function, arguments)
            yield from self._fill((function, arguments), pickle.REDUCE)

    def _enter(self, obj: object) -> None:
        """Note that `obj` is begun; it may be begun again before it is complete, but not endlessly."""
        count = self._building[id(obj)] = self._building.get(id(obj), 0) + 1
        if count > _REENTRIES:
            raise pickle.PicklingError("it reduces to a call that needs the object itself as an argument")

    def _leave(self, obj: object) -> None:
        count = self._building[id(obj)] = self._building[id(obj)] - 1
        if not count:
            del self._building[id(obj)]


def opened_in(walk: Walk) -> Sequence[object]:
    """The objects that are open in `walk`, or in that which it waits for, where the extension walks there."""
    inner: Any = walk
    while isinstance(inner, GeneratorType):
        inner = inner.gi_yieldfrom
    return [] if inner is None else inner.opened()


_INSTANCES: dict[type, object] = {type(value): value for value in (None, Ellipsis, NotImplemented)}
