"""The canonical pickler: one value, one sequence of bytes, for any unpickler of the standard library.

What equal graphs have in common decides every byte, and nothing else does:

- Atoms (see `values`) are memoised by value, everything else by identity, so that aliasing and
  cycles among mutable objects are kept exactly, and that among equal strings is not seen.
- A memo entry is made only for what a later reference needs, and numbered by first reference.
- Sets are written in a total order, dicts in theirs, which is data.
- Names of classes and functions come from the objects, not from the order of imports; the
  extension registry of `copyreg` is not used.

The walk is a stack of generators rather than recursion: one generator writes one container and
yields the parts that are containers themselves. So nesting is limited by memory alone, and the
stack is the path to the object at fault when something cannot be pickled.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator, Hashable, Iterable
from functools import partial
from itertools import chain
from types import EllipsisType, FunctionType, NotImplementedType
from typing import Any, TypeAlias

from hermpkg_build.objects import opcodes as op
from hermpkg_build.objects.globals import find_global, own_name
from hermpkg_build.objects.paths import Opened, path_of, reason_for
from hermpkg_build.objects.pickled import GlobalReference, PickledObject, UnpicklableError
from hermpkg_build.objects.reducing import Elements, Reduced, checked, reduce
from hermpkg_build.objects.storages import StorageReference, storage_reference
from hermpkg_build.objects.values import AtomKeys, sort_atoms, split_atoms

PersistentId: TypeAlias = Callable[[Any], "object | None"]
ResolveGlobal: TypeAlias = Callable[[Any, str, str], "tuple[str, str]"]
ReduceOverride: TypeAlias = Callable[[Any], Any]

_Walk: TypeAlias = "Generator[Any, None, None]"
_Table: TypeAlias = "dict[Any, int | bytes]"

_BIG = 1 << 16
_DEEPEST = 1_000_000
_REENTRIES = 1_000


def pickle_canonically(
    obj: object,
    *,
    protocol: int = 3,
    name: str = "obj",
    persistent_id: PersistentId | None = None,
    resolve_global: ResolveGlobal | None = None,
    reduce_override: ReduceOverride | None = None,
) -> PickledObject:
    """Pickle `obj` so that equal values give equal bytes (protocols 3, 4 and 5).

    `name` stands for `obj` in messages. `persistent_id` is asked about every object that is no
    atom, list, dict, set, tuple, class or function; what it returns, unless None, is pickled in
    the object's place. `resolve_global` gets an object with the module and qualified name it
    has of itself (the module may be "") and returns those to write. `reduce_override` returns
    what ``__reduce_ex__`` would, or NotImplemented.

    Storages of torch are not in the pickle: see PickledObject.
    Raises UnpicklableError with the path to the object at fault, ValueError for another protocol.
    """
    if protocol not in (3, 4, 5):
        raise ValueError(f"protocol {protocol} is not one of 3, 4 and 5")
    pickler = _Pickler(
        protocol,
        persistent_id=persistent_id,
        resolve_global=resolve_global,
        reduce_override=reduce_override,
    )
    return pickler.dump(obj, name)


class _Pickler:
    """One run of the pickler over one graph."""

    def __init__(
        self,
        protocol: int,
        *,
        persistent_id: PersistentId | None,
        resolve_global: ResolveGlobal | None,
        reduce_override: ReduceOverride | None,
    ) -> None:
        self._protocol = protocol
        self._persistent_id = persistent_id
        self._resolve_global = resolve_global
        self._reduce_override = reduce_override
        self._encode_text = op.encode_text_3 if protocol < 4 else op.encode_text_4

        # The pickle in pieces. A memo table maps what it knows to the index of the piece that
        # leaves the object on the stack, and from the first reference on to the opcode that
        # fetches it; `_puts` lists the pieces to be memoised, by memo number.
        self._out: list[bytes] = [op.PROTO + bytes((protocol,))]
        self._puts: list[int] = []
        self._by_identity: _Table = {}
        self._texts: _Table = {}
        self._byte_strings: _Table = {}
        self._by_value: _Table = {}
        self._alive: list[object] = []
        self._atoms = AtomKeys()
        self._building: dict[int, int] = {}

        self._globals: set[GlobalReference] = set()
        self._storage_keys: dict[Hashable, int] = {}
        self._storages: list[object] = []
        self._key_pieces: list[tuple[int, int]] = []

        self._start: dict[type, Callable[[Any], _Walk | None]] = {
            list: self._list,
            dict: self._dict,
            tuple: self._tuple,
            bytes: self._bytes,
            set: self._set,
            frozenset: self._frozenset,
            complex: self._complex,
            type: self._class,
            FunctionType: self._global,
            EllipsisType: partial(self._constant, "Ellipsis"),
            NotImplementedType: partial(self._constant, "NotImplemented"),
        }
        self._start[Elements] = self._elements
        if protocol >= 5:
            self._start[bytearray] = self._bytearray
            self._start[pickle.PickleBuffer] = self._buffer

    def dump(self, obj: object, name: str) -> PickledObject:
        """Pickle `obj`; a pickler is used once."""
        self._walk(self._fill(None, (obj,), op.STOP), name)
        for number, piece in enumerate(self._puts):
            self._out[piece] += op.put(number)
        return PickledObject(
            data=b"".join(self._out),
            globals=tuple(sorted(self._globals)),
            storages=tuple(self._storages),
            key_offsets=self._key_offsets(),
        )

    def _walk(self, current: _Walk, name: str) -> None:
        """Run `current` and everything it yields, depth first, without recursion."""
        stack: list[_Walk] = []
        known = self._by_identity.get
        start = self._start.get
        other = self._other
        write = self._out.append
        child: Any = None
        try:
            while True:
                for child in current:
                    if (reference := known(id(child))) is not None:
                        write(self._fetch(self._by_identity, id(child), reference))
                    elif (nested := start(type(child), other)(child)) is not None:
                        stack.append(current)
                        current = nested
                        break
                else:
                    if not stack:
                        return
                    current = stack.pop()
                if len(stack) > _DEEPEST:
                    raise pickle.PicklingError(f"the graph is more than {_DEEPEST:,} levels deep")
        except UnpicklableError:
            raise
        except Exception as error:
            raise _failure(name, [*stack, current], child, error) from error

    # ---- the memo

    def _fetch(self, table: _Table, key: Hashable, reference: int | bytes) -> bytes:
        """The opcode that fetches a memoised object, which the first call numbers."""
        if type(reference) is bytes:
            return reference
        assert isinstance(reference, int)
        fetch = table[key] = op.get(len(self._puts))
        self._puts.append(reference)
        return fetch

    def _memoise(self, obj: object) -> None:
        """Remember that the last piece left `obj` on the stack, and keep its id from being reused."""
        self._by_identity[id(obj)] = len(self._out) - 1
        self._alive.append(obj)

    def _written(self, table: _Table, key: Hashable) -> bool:
        """Write a reference to what `table` has under `key`, if it has anything."""
        reference = table.get(key)
        if reference is None:
            return False
        self._out.append(self._fetch(table, key, reference))
        return True

    # ---- containers

    def _fill(self, obj: object, children: Iterable[Any], closing: bytes) -> _Walk:  # noqa: ARG002
        """Write `children`, parts of `obj`, then `closing`; yields those that are not written at once.

        `obj` is for `_failure` alone, which finds it in the frame.
        """
        out = self._out
        write = out.append
        texts = self._texts
        encoder = op.ATOM_ENCODERS.get
        for child in children:
            kind = type(child)
            if kind is str:
                reference = texts.get(child)
                if reference is None:
                    texts[child] = len(out)
                    write(self._encode_text(child))
                else:
                    write(self._fetch(texts, child, reference))
            elif encode := encoder(kind):
                write(encode(child))
            else:
                yield child
        if closing:
            write(closing)

    def _list(self, obj: list[Any]) -> _Walk | None:
        self._out.append(op.EMPTY_LIST)
        self._memoise(obj)
        return self._fill_list(obj, obj) if obj else None

    def _fill_list(self, obj: object, items: list[Any]) -> _Walk:
        if len(items) == 1:
            return self._fill(obj, items, op.APPEND)
        self._out.append(op.MARK)
        return self._fill(obj, items, op.APPENDS)

    def _dict(self, obj: dict[Any, Any]) -> _Walk | None:
        self._out.append(op.EMPTY_DICT)
        self._memoise(obj)
        return self._fill_dict(obj, len(obj), obj.items()) if obj else None

    def _fill_dict(self, obj: object, size: int, items: Iterable[tuple[Any, Any]]) -> _Walk:
        flat = chain.from_iterable(items)
        if size == 1:
            return self._fill(obj, flat, op.SETITEM)
        self._out.append(op.MARK)
        return self._fill(obj, flat, op.SETITEMS)

    def _tuple(self, obj: tuple[Any, ...]) -> _Walk | None:
        if not obj:
            self._out.append(op.EMPTY_TUPLE)
            return None
        key = self._atoms.key(obj)
        if key is None:
            return self._tuple_by_identity(obj)
        if self._written(self._by_value, key):
            return None
        return self._tuple_by_value(obj, key)

    def _tuple_by_value(self, obj: tuple[Any, ...], key: Hashable) -> _Walk:
        opening, closing = _tuple_opcodes(len(obj))
        if opening:
            self._out.append(opening)
        yield from self._fill(obj, obj, closing)
        self._by_value[key] = len(self._out) - 1

    def _tuple_by_identity(self, obj: tuple[Any, ...]) -> _Walk:
        opening, closing = _tuple_opcodes(len(obj))
        if opening:
            self._out.append(opening)
        self._enter(obj)
        yield from self._fill(obj, obj, b"")
        self._leave(obj)
        if id(obj) in self._by_identity:
            # It contains itself and was completed further down: that one is the object.
            self._out.append(op.POP_MARK if opening else op.POP * len(obj))
            self._written(self._by_identity, id(obj))
        else:
            self._out.append(closing)
            self._memoise(obj)

    def _set(self, obj: set[Any]) -> _Walk:
        atoms, others = self._in_order(obj)
        if self._protocol >= 4:
            self._out.append(op.EMPTY_SET)
            self._memoise(obj)
            if obj:
                self._out.append(op.MARK)
                yield from self._fill(obj, chain(atoms, others), op.ADDITEMS)
        elif not others:
            self._global(set)
            if atoms:
                yield from self._list_of(obj, atoms)
                self._out.append(op.TUPLE_OF[1] + op.REDUCE)
            else:
                self._out.append(op.EMPTY_TUPLE + op.REDUCE)
            self._memoise(obj)
        else:
            # Protocol 3 can only call set(elements), which is too late for a set that one of its
            # elements refers to; so the empty set is made first, and updated.
            self._global(set)
            self._out.append(op.EMPTY_TUPLE + op.REDUCE)
            self._memoise(obj)
            yield set.update
            self._written(self._by_identity, id(obj))
            yield from self._list_of(obj, chain(atoms, others))
            self._out.append(op.TUPLE_OF[2] + op.REDUCE + op.POP)

    def _frozenset(self, obj: frozenset[Any]) -> _Walk | None:
        key = self._atoms.key(obj)
        if key is not None and self._written(self._by_value, key):
            return None
        return self._new_frozenset(obj, key)

    def _new_frozenset(self, obj: frozenset[Any], key: Hashable | None) -> _Walk:
        atoms, others = self._in_order(obj)
        self._enter(obj)
        if self._protocol >= 4:
            self._out.append(op.MARK)
            yield from self._fill(obj, chain(atoms, others), b"")
        else:
            self._global(frozenset)
            yield from self._list_of(obj, chain(atoms, others))
        self._leave(obj)
        if id(obj) in self._by_identity:
            self._out.append(op.POP_MARK if self._protocol >= 4 else op.POP * 2)
            self._written(self._by_identity, id(obj))
            return
        self._out.append(op.FROZENSET if self._protocol >= 4 else op.TUPLE_OF[1] + op.REDUCE)
        if key is None:
            self._memoise(obj)
        else:
            self._by_value[key] = len(self._out) - 1

    def _list_of(self, obj: object, elements: Iterable[Any]) -> _Walk:
        """A list that only the next opcode sees."""
        self._out.append(op.EMPTY_LIST + op.MARK)
        yield from self._fill(obj, elements, op.APPENDS)

    def _elements(self, obj: Elements) -> _Walk:
        atoms, others = self._in_order(obj.of)
        return self._list_of(obj, chain(atoms, others))

    def _in_order(self, obj: set[Any] | frozenset[Any]) -> tuple[list[Any], list[Any]]:
        """The elements of a set in the order to write them: atoms, then the others."""
        atoms, others = split_atoms(obj, self._atoms)
        return sort_atoms(atoms), others

    # ---- single values

    def _bytes(self, obj: bytes) -> None:
        if self._written(self._byte_strings, obj):
            return
        self._write_block(op.bytes_header(len(obj), self._protocol), obj)
        self._byte_strings[obj] = len(self._out) - 1

    def _bytearray(self, obj: bytearray) -> None:
        self._write_block(op.bytearray_header(len(obj)), bytes(obj))
        self._memoise(obj)

    def _buffer(self, obj: pickle.PickleBuffer) -> None:
        with obj.raw() as raw:
            data = bytes(raw)
            if raw.readonly:
                self._bytes(data)
                return
        self._write_block(op.bytearray_header(len(data)), data)
        self._memoise(obj)

    def _write_block(self, header: bytes, data: bytes) -> None:
        if len(data) < _BIG:
            self._out.append(header + data)
        else:
            # Big data is not copied to make one piece; the empty piece takes the memo's opcode.
            self._out += (header, data, b"")

    def _complex(self, obj: complex) -> None:
        key = ("complex", op.encode_float(obj.real), op.encode_float(obj.imag))
        if not self._written(self._by_value, key):
            self._global(complex)
            self._out.append(key[1] + key[2] + op.TUPLE_OF[2] + op.REDUCE)
            self._by_value[key] = len(self._out) - 1

    def _constant(self, name: str, _: object) -> None:
        self._write_global("builtins", name)

    def _class(self, obj: type) -> _Walk | None:
        if obj in (type(None), type(Ellipsis), type(NotImplemented)):
            return self._reduced(obj, Reduced(function=type, arguments=(_INSTANCES[obj],)))
        self._global(obj)
        return None

    # ---- names

    def _global(self, obj: object, name: str | None = None) -> None:
        """Write the name by which an unpickler imports `obj`."""
        if self._resolve_global is None:
            module, qualname = find_global(obj, name)
        else:
            own_module = getattr(obj, "__module__", None) or ""
            module, qualname = self._resolve_global(obj, own_module, name or own_name(obj))
        self._write_global(module, qualname)

    def _write_global(self, module: str, qualname: str) -> None:
        key = (module, qualname)
        if self._written(self._by_value, key):
            return
        scope, dot, last = qualname.rpartition(".")
        if self._protocol >= 4:
            self._text(module)
            self._text(qualname)
            self._out.append(op.STACK_GLOBAL)
        elif dot:
            # GLOBAL does not follow dots in protocol 3.
            self._write_global("builtins", "getattr")
            self._write_global(module, scope)
            self._text(last)
            self._out.append(op.TUPLE_OF[2] + op.REDUCE)
        else:
            self._out.append(op.encode_global(module, qualname))
        self._by_value[key] = len(self._out) - 1
        self._globals.add(GlobalReference(module, qualname))

    def _text(self, text: str) -> None:
        if not self._written(self._texts, text):
            self._texts[text] = len(self._out)
            self._out.append(self._encode_text(text))

    # ---- everything else

    def _other(self, obj: Any) -> _Walk | None:
        """An object of a type without an entry in `_start`."""
        if self._persistent_id is not None and (persistent := self._persistent_id(obj)) is not None:
            return self._persistent(obj, persistent)
        storage = storage_reference(obj)
        if storage is not None:
            return self._storage(storage)
        returned: Any = NotImplemented
        if self._reduce_override is not None:
            returned = self._reduce_override(obj)
        if returned is NotImplemented:
            returned = reduce(obj, self._protocol)
        if returned is NotImplemented:
            self._global(obj)
            return None
        if isinstance(returned, str):
            self._global(obj, returned)
            return None
        return self._reduced(obj, checked(obj, returned))

    def _persistent(self, obj: object, persistent: object) -> _Walk:
        self._alive += (obj, persistent)
        yield from self._fill(obj, (persistent,), op.BINPERSID)

    def _storage(self, storage: StorageReference) -> _Walk:
        """The persistent id of a storage, written anew each time since its key is to be found again."""
        key = self._storage_keys.setdefault(storage.identity, len(self._storages))
        if key == len(self._storages):
            self._storages.append(storage.untyped)
        self._out.append(op.MARK)
        yield from self._fill(storage, ("storage", storage.kind), b"")
        self._key_pieces.append((len(self._out), key))
        self._out.append(op.encode_storage_key(key))
        yield from self._fill(storage, (storage.location, storage.numel), op.TUPLE + op.BINPERSID)

    def _key_offsets(self) -> tuple[tuple[int, int], ...]:
        """The places of the storage keys in the finished pickle."""
        found = []
        offset = counted = 0
        for piece, key in self._key_pieces:
            offset += sum(map(len, self._out[counted:piece]))
            counted = piece
            found.append((offset + len(op.BININT), key))
        return tuple(found)

    def _reduced(self, obj: Any, reduced: Reduced) -> _Walk:
        """An object by what its ``__reduce__`` returned."""
        # Whatever was made for this call alone must outlive it, or its id could come to mean
        # another object.
        self._alive.append(reduced)
        self._enter(obj)
        yield from self._construct(obj, reduced.function, reduced.arguments)
        self._leave(obj)
        if id(obj) in self._by_identity:
            self._out.append(op.POP)
            self._written(self._by_identity, id(obj))
            return
        self._memoise(obj)
        if reduced.items:
            yield from self._fill_list(obj, reduced.items)
        if reduced.pairs:
            yield from self._fill_dict(obj, len(reduced.pairs), reduced.pairs)
        if reduced.state is None:
            return
        if reduced.setter is None:
            yield from self._fill(obj, (reduced.state,), op.BUILD)
        else:
            yield reduced.setter
            self._written(self._by_identity, id(obj))
            yield from self._fill(obj, (reduced.state,), op.TUPLE_OF[2] + op.REDUCE + op.POP)

    def _construct(self, obj: object, function: Any, arguments: tuple[Any, ...]) -> _Walk:
        """Leave the new object on the stack, before its state."""
        name = getattr(function, "__name__", "")
        if name in ("__newobj__", "__newobj_ex__"):
            cls = arguments[0]
            if not hasattr(cls, "__new__"):
                raise pickle.PicklingError(f"the first argument of {name} must be a class")
            if obj is not None and cls is not obj.__class__:
                raise pickle.PicklingError(f"the first argument of {name} is not the object's class")
        if name == "__newobj__":
            yield from self._fill(obj, (cls, arguments[1:]), op.NEWOBJ)
        elif name == "__newobj_ex__" and self._protocol >= 4:
            yield from self._fill(obj, arguments, op.NEWOBJ_EX)
        elif name == "__newobj_ex__":
            _, positional, keywords = arguments
            make = partial(cls.__new__, cls, *positional, **keywords)
            self._alive.append(make)
            yield from self._fill(obj, (make, ()), op.REDUCE)
        else:
            yield from self._fill(obj, (function, arguments), op.REDUCE)

    def _enter(self, obj: object) -> None:
        """Note that `obj` is begun; it may come again before it is complete, but not for ever."""
        count = self._building[id(obj)] = self._building.get(id(obj), 0) + 1
        if count > _REENTRIES:
            raise pickle.PicklingError("what it reduces to needs the object itself before it can be made")

    def _leave(self, obj: object) -> None:
        count = self._building[id(obj)] = self._building[id(obj)] - 1
        if not count:
            del self._building[id(obj)]


_INSTANCES: dict[type, object] = {
    type(None): None,
    type(Ellipsis): Ellipsis,
    type(NotImplemented): NotImplemented,
}


def _tuple_opcodes(size: int) -> tuple[bytes, bytes]:
    return (b"", op.TUPLE_OF[size]) if size < len(op.TUPLE_OF) else (op.MARK, op.TUPLE)


def _failure(name: str, stack: list[_Walk], child: object, error: Exception) -> UnpicklableError:
    """The error for `child`, on which the generators of `stack` were at work."""
    opened = []
    for generator in stack:
        frame: Any = getattr(generator, "gi_frame", None)
        if frame is not None and frame.f_locals.get("obj") is not None:
            opened.append(Opened(obj=frame.f_locals["obj"], reduced=frame.f_locals.get("reduced")))
    return UnpicklableError(path_of(name, opened, child), reason_for(child, error))
